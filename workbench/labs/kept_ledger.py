"""The ledger that exercise 07 is checked with: a store on a loopback port, which can be told to fail."""

from __future__ import annotations

import json
import socketserver
import threading
from types import TracebackType
from typing import Self


class Ledger(socketserver.ThreadingTCPServer):
    """Entries by key, and what was set aside; `fail_after` writes it answers nobody, until that is None again."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}
        self.aside: dict[str, str] = {}
        self.fail_after: int | None = None
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Asked)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.05,), name="ledger", daemon=True).start()

    @property
    def total(self) -> int:
        """The sum of all entries, in cents."""
        return sum(self.entries.values())

    def answer(self, request: dict[str, object]) -> dict[str, object] | None:
        """Carry out one request; None: there is no answer, as of a store that is gone."""
        with self._lock:
            if "aside" in request:
                self.aside[str(request["aside"])] = str(request.get("why"))
                return {}
            if self.fail_after is not None and len(self.entries) >= self.fail_after:
                return None
            key, cents = str(request.get("write")), request.get("cents")
            if not isinstance(cents, int):
                return None
            new = key not in self.entries
            self.entries.setdefault(key, cents)
            return {"new": new}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()


class _Asked(socketserver.StreamRequestHandler):
    server: Ledger

    def handle(self) -> None:
        try:
            answer = self.server.answer(json.loads(self.rfile.readline(65536)))
        except (ValueError, AttributeError):
            return
        if answer is not None:
            self.wfile.write(json.dumps(answer).encode() + b"\n")
