"""Entry of a container whose program is in a language that the workbench does not know.

Its arguments are the program's command line. The program listens on the port in PORT, as container services ask of it;
it is ready when a connection is taken there. Direct invocations come as `POST` with the event as JSON, to the path that
AWS's Runtime Interface Emulator has, and are answered with JSON.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_control  # type: ignore[import-not-found]

_LOOK_S = 0.005
_NOT_FOUND = 127  # as in a shell


def main() -> int:
    """Start the program, say when it answers, end with it: its status, or 128 and the signal that ended it."""
    control = wb_control.connect()
    wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS)
    wb_control.pass_listeners_out(control)
    port = int(os.environ.pop("WORKBENCH_LISTEN_PORT"))
    wb_control.mark(control, "runtime_ready")
    try:
        program = subprocess.Popen(sys.argv[1:], env={**os.environ, "PORT": str(port)})
    except OSError as error:
        print(f"{sys.argv[1]} cannot be started: {error.strerror}", flush=True)
        return _NOT_FOUND
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    while not _listens(port) and program.poll() is None:
        time.sleep(_LOOK_S)
    if program.poll() is None:
        wb_control.mark(control, "function_ready")
    status = program.wait()
    return status if status >= 0 else 128 - status


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
