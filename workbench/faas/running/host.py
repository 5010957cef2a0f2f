"""What an instance gets from the platform."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.faas.functions.function import Function
from workbench.faas.messages import Event
from workbench.sandbox import Launcher, Template


@dataclass(frozen=True)
class Host:
    """What an instance gets from the platform; `prefix` begins the name of all its instances."""

    prefix: str
    launch: Launcher
    template: Callable[[Function], Awaitable[Template]] | None  # None for an instance that is to be a template itself
    starters: Executor  # launching and thawing: somebody waits for these
    cleaners: Executor  # freezing, closing, measuring: nobody does
    tell: Callable[[Event], None]
    answered: Callable[[str, str, bytes, str | None, bool], None]  # instance, request, body, error type, streamed
    closed: Callable[[str], None]  # instance
    snapshotted: Callable[[], None]
    gateway: Gateway
    pids_limit: int


class Gateway(Protocol):
    """What instances reach besides their Runtime API."""

    def ports(self, function: Function) -> tuple[int, ...]:
        """The ports on the instance's own loopback address that lead out."""

    def environment(self, function: Function, instance: str) -> Mapping[str, str]:
        """The variables that tell the function of them, and what it needs to use them."""

    def forget(self, instance: str) -> None:
        """The instance has ended."""

    async def serve(self, function: Function, instance: str, port: int, listener: socket.socket) -> None:
        """Pass on the connections that come on `listener`, which is the gateway's from now on, until cancelled."""


@dataclass(frozen=True)
class Code:
    """Where the unpacked code of a function is, and its layers merged into one tree."""

    task: Path
    opt: Path | None = None
