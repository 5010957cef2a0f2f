"""What a virtual machine says, heard outside: every mark has this machine's time, for a guest has a clock of its own.

One thread a machine reads its control channel and its console. A mark gets the time at which it came out; so a phase is
what somebody outside saw, with the way out in it. The console tells when the kernel handed over to the first process
(the mark `init`), how the instance ended, and, if it never came up, why. A service can write to the channel whatever it
likes: what is no mark ends the channel in both directions, and with it the machine, as if its owner had gone.
"""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import socket
import threading
import time

_SAYS = re.compile(rb"@workbench (\w+) ?([^\r\n]*)")
_CONSOLE_BYTES = 64 * 1024
_PATIENCE_S = 30.0
LONGEST_MARK = 1 << 20
"""Bytes of a line that may be a mark; the longest are a module's error with its stack."""


class Relay:
    """Reads `control` and `console`, and passes marks on to whoever holds the other end of `outside`."""

    def __init__(
        self,
        name: str,
        control: socket.socket,
        console: socket.socket,
        outside: socket.socket,
        output: socket.socket,
    ) -> None:
        self._control, self._console, self._outside, self._output = control, console, outside, output
        self._started = False
        self._renewed = threading.Event()
        self._rest = b""
        self._partial = b""
        self._text = b""
        self._exit: int | None = None
        self.failed = ""
        self._thread = threading.Thread(target=self._run, name=f"{name}-relay", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def mark(self, name: str) -> None:
        """Send a mark of our own: something that was seen outside has just happened."""
        self._send({"mark": name, "at_ns": time.monotonic_ns()})

    def renew(self, randomness: str) -> bool:
        """Give a restored machine new random numbers; whether it has taken them."""
        self._control.sendall(randomness.encode() + b"\n")
        return self._renewed.wait(_PATIENCE_S)

    def join(self) -> None:
        """Wait until all that the machine said has been heard; it must have ended."""
        self._thread.join(10)

    @property
    def exit_code(self) -> int | None:
        """The exit status of the instance's program as the guest told it; None when it told none."""
        return self._exit

    @property
    def console(self) -> str:
        """The last that the console showed."""
        return self._text.decode(errors="replace")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, self._take_control)
            selector.register(self._console, selectors.EVENT_READ, self._take_console)
            while selector.get_map():
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    except OSError:
                        data = b""
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fileobj)
        if not self._started:  # whoever asks why reads what it printed
            with contextlib.suppress(OSError):
                self._output.send(self._text[-4096:], socket.MSG_DONTWAIT)
        for channel in (self._control, self._console, self._output, self._outside):
            channel.close()

    def _take_control(self, data: bytes) -> None:
        now = time.monotonic_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(None, lines):
            mark = _mark_of(line)
            if mark is None:
                self._hang_up()
                return
            if mark["mark"] == "renewed":
                self._renewed.set()
            else:
                self._send({**mark, "at_ns": now})
        if len(self._rest) > LONGEST_MARK:
            self._hang_up()

    def _hang_up(self) -> None:
        self._rest = b""
        for channel in (self._control, self._outside):
            with contextlib.suppress(OSError):  # the other side has done so already
                channel.shutdown(socket.SHUT_RDWR)

    def _take_console(self, data: bytes) -> None:
        self._text = (self._text + data)[-_CONSOLE_BYTES:]
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            said = _SAYS.search(line)
            if said is None:
                continue
            if said[1] == b"init":
                self.mark("init")
            elif said[1] == b"exit" and said[2].strip().isdigit():
                self._exit = int(said[2])
            elif said[1] == b"failed":
                self.failed = said[2].decode(errors="replace").strip()

    def _send(self, mark: dict[str, object]) -> None:
        self._started |= mark["mark"] == "sandbox_ready"
        with contextlib.suppress(OSError):  # nobody listens any more
            self._outside.sendall(json.dumps(mark).encode() + b"\n")


def _mark_of(line: bytes) -> dict[str, object] | None:
    """The mark that a line is; None when it is none."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("mark"), str) else None
