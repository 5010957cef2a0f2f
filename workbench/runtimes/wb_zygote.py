"""The zygote: one process for all instances of an owner, which has the runtime imported and is forked for each.

It runs on the same root file system as the instances (`wb_box.enter_root`), so what it has imported is what they would
import. It holds nothing secret: its environment is made for it, and an instance's variables (keys may be among them) go
from the owner to the fork alone, so that no later fork finds them in what it inherits.

What a fork is not: two instances have the same address layout and the same seed of string hashes, as in every system
that forks from a common ancestor (SOCK, ATC'18, section 4; Android). `random` and OpenSSL draw new seeds after a fork.
"""

from __future__ import annotations

import os
import resource
import sys
import time

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_box  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """`enter FD ROOT INTERPRETER`: change the root and start again in it; `serve FD`: take orders until the end."""
    orders = int(sys.argv[2])
    if sys.argv[1] == "enter":
        _enter(orders, sys.argv[3], sys.argv[4])
    import lambda_host  # type: ignore[import-not-found]
    import wb_forks  # type: ignore[import-not-found]

    os.set_inheritable(orders, False)
    lambda_host.preload()
    wb_box.become_subreaper()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.write(orders, b'{"ready": true}')
    order, descriptors = wb_forks.Forks(orders).serve()
    # Only a fork gets here: nothing of the zygote is below it on the stack.
    ends = wb_box.Ends(descriptors)
    ends.move()
    wb_box.guarded(ends, lambda: wb_box.middle(order, ends))
    wb_box.guarded(ends, lambda: wb_box.inner(order, ends))
    order["environment"] = ends.receive()
    if order["argv"]:
        wb_box.guarded(ends, lambda: wb_box.execute(order, ends))
    _go_on(order, ends, lambda_host)


def _enter(orders: int, root: str, interpreter: str) -> None:
    ends = wb_box.Ends({"setup": orders, "control": orders})
    wb_box.guarded(ends, lambda: wb_box.enter_root(root))
    os.set_inheritable(orders, True)
    script = f"/var/runtime/{os.path.basename(__file__)}"
    # Last, and long enough for any name: each fork writes its own into it, where `workbench clean` looks for it.
    environment = {**os.environ, "WORKBENCH_INSTANCE": " " * 256}
    os.execve(interpreter, [interpreter, "-u", "-I", "-S", "-B", script, "serve", str(orders)], environment)


def _go_on(order: dict[str, Any], ends: Any, lambda_host: Any) -> None:
    """Be the program that a new interpreter would have started with, from here on."""
    ends.close()
    lambda_host.wb_control.STARTED_NS = time.monotonic_ns()
    wb_box.show_name(order["environment"]["WORKBENCH_INSTANCE"])
    os.environ.clear()
    os.environ.update(order["environment"], **ends.environment())
    sys.argv[:] = [lambda_host.__file__]
    sys.modules["__main__"] = lambda_host
    lambda_host.__name__ = "__main__"
    lambda_host.main(wb_box.RUNTIME_API_PORT)


if __name__ == "__main__":
    main()
