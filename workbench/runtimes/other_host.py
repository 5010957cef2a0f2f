"""Entry of an instance in another language than Python: makes what that language's host cannot, then becomes it.

Its arguments are the entry whose role is played and the host's command line. `isolation/languages.py` says what the
host finds.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_control  # type: ignore[import-not-found]


def main() -> None:
    """Say `sandbox_ready`, make the listener, start the host in place of this program."""
    entry, *command = sys.argv[1:]
    watched = os.environ.get("WORKBENCH_WATCHED", "")
    control = wb_control.connect(passed_on=True)  # its host watches it, from its first instruction on
    if entry == "lambda_host.py":
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        os.environ["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{listener.getsockname()[1]}"
        wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS, descriptor=listener.fileno())
    else:
        wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS)
        port = os.environ.pop("WORKBENCH_LISTEN_PORT", "")
        if port:
            os.environ["WORKBENCH_LISTEN_FD"] = _kept(socket.create_server(("0.0.0.0", int(port)), backlog=1024))
    wb_control.pass_listeners_out(control)
    os.environ.pop("WORKBENCH_OPT", None)  # for hosts in Python: the others' layers are in variables of the language
    os.environ["WORKBENCH_CONTROL_FD"] = _kept(control)
    if watched:  # then what comes in on the channel is for whoever watches
        os.environ["WORKBENCH_WATCHED"] = watched
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    os.execve(command[0], command, os.environ)


def _kept(given: Any) -> str:
    """The number under which the host finds the socket."""
    given.set_inheritable(True)
    return str(given.detach())


main()
