"""Whose turn it is: requests change moto's dictionaries one at a time, so that none sees another's half-done work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """A lock that its holder puts aside while it waits for something that others bring about."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Work while nobody else does."""
        with self._lock:
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others work meanwhile; only within `taken`."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
