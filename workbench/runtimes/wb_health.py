"""A container's health check: asks the instance for its own health; exit status 0 when it answers, 1 when it does not.

Started anew for each check by the engine, so it imports as little as it can.
"""

from __future__ import annotations

import os
import socket
import sys

PATIENCE_S = 4


def main() -> int:
    """Ask once, print what came."""
    port = int(os.environ.get("WORKBENCH_LISTEN_PORT", "8080"))
    request = b"GET /_workbench/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            status = connection.recv(64).split(b"\r\n")[0].decode("latin-1")
    except OSError as error:
        print(f"port {port} does not answer: {error}")
        return 1
    print(status)
    return 0 if status.startswith("HTTP/1.1 200 ") else 1


if __name__ == "__main__":
    sys.exit(main())
