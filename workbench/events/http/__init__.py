"""An HTTP gateway in front of functions and services: API Gateway's HTTP APIs and REST APIs on a loopback port."""

from workbench.events.http.handle import HttpGateway, gateway

__all__ = ["HttpGateway", "gateway"]
