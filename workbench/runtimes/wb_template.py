"""A template: an instance whose function has been initialised, and which is forked for others where it stands.

It is what AWS calls a snapshot: the runtime client runs the hooks before it, then asks for `restore_next`, and goes on
from there when restored (developer guide, "Improving startup performance with Lambda SnapStart"). Here each restored
instance is a fork, in namespaces below the template's, with the template's memory, variables and a copy of its /tmp.

What is as with a snapshot of a microVM: whatever init made is the same in every instance, so an identifier or a seed of
its own is not unique (`random` and OpenSSL draw new seeds, as after every fork). What is not: threads that init started
exist in the template alone, a file that it opened is shared with its position, a connection is the template's own, and
the end of the template is the end of its instances.
"""

from __future__ import annotations

import os
import time

import wb_box  # type: ignore[import-not-found]
import wb_control  # type: ignore[import-not-found]
import wb_forks  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any


def client_of(base: type[Any], control: socket.socket, listen: Callable[[socket.socket], None]) -> type[Any]:
    """A class of Runtime API client, made of `base`, which becomes an instance's in `restore_next`."""
    orders = int(os.environ.pop("WORKBENCH_TEMPLATE_FD"))
    os.set_inheritable(orders, False)

    class Client(base):  # type: ignore[misc]
        def restore_next(self) -> None:
            wb_control.mark(control, "snapshot_ready")
            ends = wb_forks.Forks(orders).serve()
            # Only a fork gets here.
            ends.guarded(lambda: wb_box.nested(ends))
            order = ends.take_order()
            # `control` keeps its number, and is the fork's own channel from here on.
            ends.guarded(lambda: wb_box.finish_nested(order, ends))
            environment = ends.receive()
            wb_control.STARTED_NS = time.monotonic_ns()
            ends.close()
            wb_box.show_name(environment["WORKBENCH_INSTANCE"])
            os.environ.update(environment)
            os.environ.pop("WORKBENCH_WATCHED", None)
            listen(control)
            wb_control.mark(control, "runtime_ready")

    return Client
