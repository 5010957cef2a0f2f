"""Who sees to instances while a load runs: an operator as attentive as can be, or nobody but who follows them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.load import Load

LOOKED_EVERY_S = 0.1
"""How often the load learns which instances there are, where nobody but the deployment's own autoscaler scales."""


@contextlib.contextmanager
def operated(deployment: Deployment, load: Load, peak: int | None, payload: Any) -> Iterator[list[WorkbenchError]]:
    """Have `peak` instances asked for at once and requests sent to them when all are ready; ends with the block.

    Without a peak nothing is asked for: whatever instances come and go are sent to. What goes wrong is in the list.
    """
    failure: list[WorkbenchError] = []
    over = threading.Event()

    def see_to_it() -> None:
        try:
            if peak is None:
                _follow(deployment, load, payload, over)
            else:
                deployment.scale(peak)
                load.retarget(deployment.targets(payload))
        except WorkbenchError as error:
            failure.append(error)

    thread = threading.Thread(target=see_to_it, name="operator")
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
