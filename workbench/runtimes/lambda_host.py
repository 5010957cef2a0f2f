"""Entry of a serverless instance: AWS's own runtime client on a Runtime API listener that is made in here.

The listener is made inside and passed out, so that whoever serves it needs no way into this network namespace, and no
other instance has a way to it.
"""

from __future__ import annotations

import os
import socket
import sys

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_control  # type: ignore[import-not-found]


def main() -> None:
    """Pass the Runtime API's listener out, then be an ordinary Lambda runtime until told to end."""
    control = wb_control.connect()
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        wb_control.mark(control, "sandbox_ready", at_ns=wb_control.STARTED_NS, descriptor=listener.fileno())
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    os.environ["AWS_LAMBDA_RUNTIME_API"] = address
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    client = LambdaRuntimeClient(address)
    os.chdir(wb_control.use_task_root())
    wb_control.mark(control, "runtime_ready")
    # Reports an import error of the service through the Runtime API, and exits 1.
    bootstrap.run(os.environ["_HANDLER"], client)


main()
