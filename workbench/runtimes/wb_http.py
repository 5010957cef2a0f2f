"""A small HTTP/1.1 server: keep-alive, a thread a connection, and strict about what it reads.

The standard library's server parses a request as an e-mail message, which costs more than a small handler does. This
one would then measure itself. What is not clearly a request is refused: better a 400 than a guess.
"""

from __future__ import annotations

import re
import signal
import socket
import struct
import sys
import threading
from http import HTTPStatus

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_BODY = 6 * 1024 * 1024
"""Bytes; AWS Lambda's limit of a synchronous invocation's payload (Lambda quotas)."""

MAX_HEAD = 64 * 1024
IDLE_S = 75
"""How long a connection may be silent before it is closed."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)", re.DOTALL)
_DIGITS = re.compile(rb"[0-9]{1,19}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;.*)?", re.DOTALL)
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Answer = tuple[int, list[tuple[str, str]], bytes]


class Refused(Exception):
    """What came is not a request that can be taken; answered with `status`, then the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """One request; header names in lower case, each with its values in the order sent."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path", "peer", "query")

    def __init__(self, method: str, target: str, headers: dict[str, list[str]], keep_alive: bool, peer: str) -> None:
        if not target.startswith("/"):  # absolute form, as sent to a proxy
            target = "/" + target.partition("://")[2].partition("/")[2]
        self.method, self.headers, self.keep_alive, self.peer = method, headers, keep_alive, peer
        self.path, _, self.query = target.partition("?")
        self.body = b""


class Connection:
    """One client's connection: reads requests, writes answers."""

    def __init__(self, client: socket.socket, peer: str) -> None:
        self._client, self._peer, self._buffer = client, peer, b""
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # In the kernel, not settimeout(), which costs a poll() before each read and write.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", IDLE_S, 0))

    def read(self) -> Request | None:
        """The next request; None when the client is done. Raises Refused."""
        head = self._head()
        if head is None:
            return None
        lines = head.split(b"\r\n")
        first = _REQUEST_LINE.fullmatch(lines[0])
        if first is None:
            raise Refused(400, "the request line is malformed")
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            field = _FIELD.fullmatch(line)
            if field is None or b"\r" in line or b"\n" in line or b"\0" in line:
                raise Refused(400, "a header line is malformed")
            name = field[1].decode("ascii").lower()
            headers.setdefault(name, []).append(field[2].rstrip(b" \t").decode("latin-1"))
        modern = first[3] == b"1"
        if modern and len(headers.get("host", ())) != 1:
            raise Refused(400, "a request needs one Host header")
        option = ",".join(headers.get("connection", ())).lower()
        keep_alive = "close" not in option if modern else "keep-alive" in option
        request = Request(first[1].decode(), first[2].decode(), headers, keep_alive, self._peer)
        request.body = self._body(headers, modern)
        return request

    def write(self, answer: Answer, *, head_only: bool = False, close: bool = False) -> None:
        """Send an answer in one piece."""
        status, headers, body = answer
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        bodiless = status in (204, 304)
        if not bodiless:
            lines.append(f"Content-Length: {len(body)}")
        if close:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._client.sendall(head if head_only or bodiless else head + body)

    def refuse(self, refused: Refused) -> None:
        """Answer what could not be taken, and read on a little so that the client gets to see it."""
        body = b'{"message":"%s"}' % str(refused).encode()
        self.write((refused.status, [("Content-Type", "application/json")], body), close=True)
        self._client.shutdown(socket.SHUT_WR)
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 1, 0))
        left = 2 * MAX_BODY
        while left > 0 and (more := self._client.recv(65536)):
            left -= len(more)

    def _head(self) -> bytes | None:
        buffer = self._buffer.lstrip(b"\r\n")  # empty lines before a request are allowed
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > MAX_HEAD:
                raise Refused(431, "the request's headers are too long")
            more = self._client.recv(65536)
            if not more:
                if buffer:
                    raise Refused(400, "the connection ended inside a request")
                return None
            buffer = (buffer + more).lstrip(b"\r\n") if not buffer else buffer + more
        if end > MAX_HEAD:
            raise Refused(431, "the request's headers are too long")
        self._buffer = buffer[end + 4 :]
        return buffer[:end]

    def _body(self, headers: dict[str, list[str]], modern: bool) -> bytes:
        coding = ",".join(headers.get("transfer-encoding", ())).strip().lower()
        lengths = {value.strip() for value in ",".join(headers.get("content-length", ())).split(",")} - {""}
        if coding:
            if lengths or not modern:
                raise Refused(400, "a body has either a length or a transfer encoding")
            if coding != "chunked":
                raise Refused(501, "the only transfer encoding here is chunked")
            self._expect(headers)
            return self._chunks()
        if "content-length" not in headers:
            return b""
        length = lengths.pop().encode() if len(lengths) == 1 else b""
        if not _DIGITS.fullmatch(length):
            raise Refused(400, "Content-Length is not a number")
        if int(length) > MAX_BODY:
            raise Refused(413, f"the body is larger than {MAX_BODY} bytes")
        self._expect(headers)
        return self._exactly(int(length))

    def _expect(self, headers: dict[str, list[str]]) -> None:
        expected = ",".join(headers.get("expect", ())).lower()
        if expected == "100-continue":
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif expected:
            raise Refused(417, "the only expectation met here is 100-continue")

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = _CHUNK.fullmatch(self._line())
            if size is None:
                raise Refused(400, "a chunk's size is malformed")
            count = int(size[1], 16)
            if len(body) + count > MAX_BODY:
                raise Refused(413, f"the body is larger than {MAX_BODY} bytes")
            if count == 0:
                break
            body += self._exactly(count)
            if self._exactly(2) != b"\r\n":
                raise Refused(400, "a chunk does not end where it said")
        trailers = 0
        while line := self._line():
            trailers += len(line)
            if trailers > MAX_HEAD:
                raise Refused(431, "the request's trailers are too long")
        return bytes(body)

    def _exactly(self, count: int) -> bytes:
        if len(self._buffer) < count:
            parts, have = [self._buffer], len(self._buffer)
            while have < count:
                more = self._client.recv(min(count - have + 65536, 1 << 20))
                if not more:
                    raise Refused(400, "the connection ended inside a body")
                parts.append(more)
                have += len(more)
            self._buffer = b"".join(parts)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            more = self._client.recv(65536) if len(self._buffer) <= MAX_HEAD else b""
            if not more:
                raise Refused(400, "a line inside a body does not end")
            self._buffer += more
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line


class Server:
    """Serves `answer` on a listening socket until told to stop."""

    def __init__(self, listener: socket.socket, answer: Callable[[Any], Answer]) -> None:
        self._listener, self._answer = listener, answer
        self._stopping = False
        self._busy = 0
        self._quiet = threading.Condition()

    def stop_on_sigterm(self) -> None:
        """Let SIGTERM end `serve` once the requests being answered are."""

        def stop(number: int, frame: object) -> None:
            # Wakes accept() with an error. An exception from here could lose a connection just taken.
            self._stopping = True
            self._listener.shutdown(socket.SHUT_RDWR)

        signal.signal(signal.SIGTERM, stop)

    def serve(self) -> None:
        """Accept and answer until SIGTERM; returns when what had begun is answered."""
        while not self._stopping:
            self._accept()
        self._listener.close()
        with self._quiet:
            self._quiet.wait_for(lambda: self._busy == 0)
        sys.stdout.flush()

    def _accept(self) -> None:
        try:
            client, peer = self._listener.accept()
        except OSError as error:
            if self._stopping:
                return
            # Out of descriptors or memory for a moment: the connection waits in the backlog.
            print(f"[WARNING] could not take a connection: {error}", flush=True)
            threading.Event().wait(0.05)
            return
        connection = Connection(client, str(peer[0]))
        try:
            threading.Thread(target=self._talk, args=(client, connection), daemon=True).start()
        except RuntimeError:  # no more threads within the instance's pids limit
            busy = b'{"message":"this instance has no thread left"}'
            connection.write((503, [("Content-Type", "application/json"), ("Retry-After", "1")], busy), close=True)
            client.close()

    def _talk(self, client: socket.socket, connection: Connection) -> None:
        try:
            while (request := self._next(connection)) is not None and self._serve_one(connection, request):
                pass
        except OSError:
            pass  # the client went away, or was silent for too long
        finally:
            client.close()

    @staticmethod
    def _next(connection: Connection) -> Request | None:
        try:
            return connection.read()
        except Refused as refused:
            connection.refuse(refused)
            return None

    def _serve_one(self, connection: Connection, request: Request) -> bool:
        with self._quiet:
            self._busy += 1
        try:
            try:
                answer = self._answer(request)
            except Exception:
                import traceback

                traceback.print_exc()
                answer = (500, [("Content-Type", "application/json")], b'{"message":"Internal Server Error"}')
            keep = request.keep_alive and not self._stopping
            connection.write(answer, head_only=request.method == "HEAD", close=not keep)
            return keep
        finally:
            with self._quiet:
                self._busy -= 1
                self._quiet.notify_all()
