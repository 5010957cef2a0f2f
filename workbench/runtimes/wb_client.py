"""AWS's runtime client on a transport of ours: an answer and the wish for more work travel together.

awslambdaric loads the handler, calls it, and makes its answers and errors; this replaces the libcurl underneath it,
whose own work was most of a warm invocation. The answer to one invocation is sent with the request for the next
(HTTP/1.1 pipelining), so that each side wakes the other once instead of twice. Any server of the Runtime API
understands it.
"""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
_POST = (
    "POST /2018-06-01/runtime/invocation/{}/{} HTTP/1.1\r\n"
    "Host: runtime\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
)
_READ = 65536


def client_of(base: Any) -> Any:
    """A subclass of awslambdaric's LambdaRuntimeClient `base` that talks over one socket of its own."""
    from awslambdaric.lambda_runtime_client import InvocationRequest

    class Client(base):  # type: ignore[misc]
        """Talks as `_Connection` does."""

        def __init__(self, address: str) -> None:
            super().__init__(address)
            self._connection = _Connection(address)

        def wait_next_invocation(self) -> Any:
            headers, body = self._connection.next()
            return InvocationRequest(
                invoke_id=headers.get("lambda-runtime-aws-request-id"),
                x_amzn_trace_id=headers.get("lambda-runtime-trace-id"),
                invoked_function_arn=headers.get("lambda-runtime-invoked-function-arn"),
                deadline_time_in_ms=int(headers.get("lambda-runtime-deadline-ms", "0")),
                client_context=headers.get("lambda-runtime-client-context"),
                cognito_identity=headers.get("lambda-runtime-cognito-identity"),
                tenant_id=headers.get("lambda-runtime-aws-tenant-id"),
                content_type=headers.get("content-type"),
                event_body=body,
                invocation_id=headers.get("lambda-runtime-invocation-id"),
            )

        def post_invocation_result(
            self, invoke_id: str, result_data: Any, content_type: str = "application/json", invocation_id: Any = None
        ) -> None:
            body = result_data if isinstance(result_data, bytes) else result_data.encode()
            self._connection.post(invoke_id, "response", content_type, body)

        def post_invocation_error(
            self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: Any = None
        ) -> None:
            self._connection.post(invoke_id, "error", "application/json", error_response_data.encode())

    return Client


class _Connection:
    """Sends nothing before it asks for work; the socket is made then, so that it is a fork's own."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self._socket: socket.socket | None = None
        self._read = b""
        self._posted = b""

    def post(self, request: str, what: str, content_type: str, body: bytes) -> None:
        """Keep the answer to an invocation: it goes out with `next`, which the runtime calls right after."""
        self._posted = _POST.format(request, what, content_type, len(body)).encode() + body

    def next(self) -> tuple[dict[str, str], bytes]:
        """Headers (names in lower case) and payload of the next invocation; waits for it without end."""
        if self._socket is None:
            # Not create_connection(): looking a name up imports two tables of the world's names, for an address.
            self._socket = socket.socket()
            self._socket.connect(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        posted, self._posted = self._posted, b""
        self._socket.sendall(posted + _NEXT)
        if posted:
            status, _, said = self._answer()
            # 413: it was too large, as its caller has been told. What comes next was asked for with it, and may be
            # on its way already: to end here would fail somebody else's invocation.
            if status not in (202, 413):
                raise RuntimeError(f"The Runtime API did not take the answer (status {status}): {said!r}")
        status, headers, body = self._answer()
        if status != 200:
            raise RuntimeError(f"The Runtime API gave no invocation (status {status}): {body!r}")
        return headers, body

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._read += self._receive(_READ)
        lines = self._read[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        body, self._read = self._read[end + 4 : end + 4 + length], self._read[end + 4 + length :]
        if len(body) < length:
            body += self._receive_rest(length - len(body))
        return int(lines[0].split(" ", 2)[1]), headers, body

    def _receive(self, most: int) -> bytes:
        assert self._socket is not None
        part = self._socket.recv(most)
        if not part:
            raise RuntimeError("The Runtime API has gone.")
        return part

    def _receive_rest(self, missing: int) -> bytes:
        parts = []
        while missing:
            parts.append(self._receive(min(missing, 2**20)))
            missing -= len(parts[-1])
        return b"".join(parts)
