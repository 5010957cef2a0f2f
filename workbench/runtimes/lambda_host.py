"""Entry of a serverless instance: AWS's own runtime client on a Runtime API listener that is made in here.

The listener is made inside and passed out, so that whoever serves it needs no way into this network namespace, and no
other instance has a way to it.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time

# Python runs isolated (-I), which leaves out the script's own directory.
if os.path.dirname(os.path.abspath(__file__)) not in sys.path:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_client  # type: ignore[import-not-found]
import wb_control  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READ_AT_IMPORT = ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")


def preload() -> None:
    """Import the runtime client ahead of a fork; AWS_LAMBDA_RUNTIME_API has to be what it will be there."""
    for name in ("bootstrap", "lambda_runtime_client", "lambda_literals"):
        importlib.import_module(f"awslambdaric.{name}")


def rehearse() -> None:
    """Do once, in a fork that waits for its instance, what every start does: so that its pages are its own by then.

    A page that is written to for the first time after a fork is copied first. Nothing of what is done here stays.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=16):
        pass
    wb_client.client_of(object)
    name = "wb_template"  # any module of a file's own: it is found, compiled and forgotten
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    exec(compile("def handler(event, context):\n    return json.dumps(event)\n", path, "exec"), {})
    importlib.import_module(name)
    del sys.modules[name]


def main(port: int = 0) -> None:
    """Pass the Runtime API's listener out, then be an ordinary Lambda runtime until told to end."""
    control = wb_control.connect()
    port = _listen(control, port)
    os.environ["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{port}"
    bootstrap = _bootstrap()
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    client = wb_client.client_of(LambdaRuntimeClient)
    if "WORKBENCH_TEMPLATE_FD" in os.environ:
        import wb_template  # type: ignore[import-not-found]

        client = wb_template.client_of(client, control, lambda control: _listen(control, port))
    os.chdir(wb_control.use_task_root())
    wb_control.mark(control, "runtime_ready")
    # Reports an import error of the service through the Runtime API, and exits 1.
    bootstrap.run(os.environ["_HANDLER"], client(f"127.0.0.1:{port}"))


def _listen(control: socket.socket, port: int) -> int:
    """Pass out a listener on `port` (0: a free one) for the Runtime API, then those for other ports; the port."""
    relayed = os.environ.get("WORKBENCH_RELAYED", "")
    if relayed:
        import wb_relayed  # type: ignore[import-not-found]

        port = wb_relayed.forward(port, f"{relayed}/{wb_relayed.RUNTIME}")
        wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS)  # the listener is its owner's
        wb_control.pass_listeners_out(control)
        return port
    with socket.create_server(("127.0.0.1", port), backlog=16) as listener:
        wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS, descriptor=listener.fileno())
        port = int(listener.getsockname()[1])
    wb_control.pass_listeners_out(control)
    return port


def _bootstrap() -> Any:
    loaded = "awslambdaric.bootstrap" in sys.modules
    from awslambdaric import bootstrap

    if loaded:  # by a zygote, which knew neither this instance's variables nor its time zone
        if any(name in os.environ for name in _READ_AT_IMPORT):
            importlib.reload(bootstrap)
        time.tzset()
    return bootstrap


if __name__ == "__main__":
    main()
