"""A RabbitMQ broker of the session's own: a real one, on loopback ports, with its own password, gone with its owner."""

from workbench.broker.broker import Broker, Taken

__all__ = ["Broker", "Taken"]
