"""Entry of a container or VM-style instance: an HTTP server of the same handler, many requests at a time."""

from __future__ import annotations

import os
import socket
import sys

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_control  # type: ignore[import-not-found]

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Load the service, say so, serve until SIGTERM; 0 when told to end, 1 when the service cannot be loaded."""
    control = wb_control.connect()
    wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS)
    if "WORKBENCH_PORTS" in os.environ:
        wb_control.pass_listeners_out(control)
    import wb_http  # type: ignore[import-not-found]
    import wb_service  # type: ignore[import-not-found]

    listener = _listener()
    os.chdir(wb_control.use_task_root())
    wb_control.mark(control, "runtime_ready")
    try:
        service = wb_service.HostedService.load(os.environ["_HANDLER"])
    except wb_service.LoadError as error:
        print(error.text, flush=True)
        wb_control.mark(control, "init_error", error=error.as_json)
        return 1
    server = wb_http.Server(listener, service.answer)
    server.stop_on_sigterm()
    wb_control.mark(control, "function_ready")
    server.serve()
    return 0


def _listener() -> Any:
    number = os.environ.pop("WORKBENCH_LISTEN_FD", "")
    if number:
        listener = socket.socket(fileno=int(number))
        listener.set_inheritable(False)
        return listener
    relayed = os.environ.pop("WORKBENCH_RELAYED", "")
    if relayed:
        import wb_relayed  # type: ignore[import-not-found]

        return wb_relayed.Listener(relayed)
    port = int(os.environ.pop("WORKBENCH_LISTEN_PORT"))
    return socket.create_server(("0.0.0.0", port), backlog=1024)


if __name__ == "__main__":
    sys.exit(main())
