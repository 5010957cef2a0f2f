"""What instances reach besides their Runtime API."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from workbench.faas.functions import Function


class NoGateway:
    """Nothing at all."""

    def ports(self, function: Function) -> tuple[int, ...]:
        """None."""
        return ()

    def environment(self, function: Function, instance: str) -> Mapping[str, str]:
        """None."""
        return {}

    async def serve(self, function: Function, instance: str, port: int, listener: socket.socket) -> None:
        """No listener was asked for."""
        listener.close()
