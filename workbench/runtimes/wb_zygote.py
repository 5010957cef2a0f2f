"""The zygote: one process for all instances of an owner, which has the runtime imported and is forked for each, ahead.

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
import wb_ends  # type: ignore[import-not-found]
import wb_kernel  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """`enter FD ROOT UID INSIDE_UID INTERPRETER`: change the root and start again in it, to take orders (`serve`)."""
    orders = int(sys.argv[2])
    if sys.argv[1] == "enter":
        _enter(orders, *sys.argv[3:7])
    import lambda_host  # type: ignore[import-not-found]
    import wb_forks  # type: ignore[import-not-found]

    os.set_inheritable(orders, False)
    lambda_host.preload()
    wb_kernel.become_subreaper()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.write(orders, b'{"ready": true}')
    root, uid, inside_uid = sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    ends = wb_forks.Forks(orders, wb_box.take_tree).serve()
    # Only a fork gets here: nothing of the zygote is below it on the stack.
    ends.guarded(lambda: wb_box.middle(root, uid, inside_uid, ends))
    ends.guarded(lambda: wb_box.build(ends))
    if ends.ahead:
        lambda_host.rehearse()
    order = ends.take_order()
    ends.guarded(lambda: wb_box.finish(order, ends))
    order["environment"] = ends.receive()
    if order["argv"]:
        ends.guarded(lambda: wb_box.execute(order, ends))
    _go_on(order, ends, lambda_host)


def _enter(orders: int, root: str, uid: str, inside_uid: str, interpreter: str) -> None:
    ends = wb_ends.Ends({"setup": orders}, ordered=True)
    ends.guarded(lambda: wb_box.enter_root(root))
    os.set_inheritable(orders, True)
    script = f"/var/runtime/{os.path.basename(__file__)}"
    # Last, and long enough for any name: each fork writes its own into it, where `workbench clean` looks for it.
    environment = {**os.environ, "WORKBENCH_INSTANCE": " " * 256}
    command = [interpreter, "-u", "-I", "-S", "-B", script, "serve", str(orders), root, uid, inside_uid]
    os.execve(interpreter, command, environment)


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
