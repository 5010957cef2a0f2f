"""Who sees to instances while a load runs: an operator as attentive as can be, or one that was given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.load import Load

LOOKED_EVERY_S = 0.1
"""How often the load learns which instances there are, where somebody else sees to them."""


@contextlib.contextmanager
def operated(
    deployment: Deployment,
    load: Load,
    operating: tuple[int, contextlib.AbstractContextManager[object] | None],
    payload: Any,
) -> Iterator[list[WorkbenchError]]:
    """Have so many instances asked for at once and requests sent to them when all are ready; ends with the block.

    With an operator given, that one is open meanwhile, and whatever instances come and go are sent to. What goes wrong
    is in the list.
    """
    peak, operator = operating
    failure: list[WorkbenchError] = []
    over = threading.Event()

    def see_to_it() -> None:
        try:
            if operator is not None:
                _follow(deployment, load, payload, over)
            else:
                deployment.scale(peak)
                load.retarget(deployment.targets(payload))
        except WorkbenchError as error:
            failure.append(error)

    thread = threading.Thread(target=see_to_it, name="operator")
    with operator or contextlib.nullcontext():
        thread.start()
        try:
            yield failure
        finally:
            over.set()
            thread.join()


def _follow(deployment: Deployment, load: Load, payload: Any, over: threading.Event) -> None:
    known = deployment.targets(payload)
    while not over.wait(LOOKED_EVERY_S):
        now = deployment.targets(payload)
        if now and now != known:
            load.retarget(now)
            known = now
