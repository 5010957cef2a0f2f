"""How long-running instances are operated: what was reserved, what happened to each, one that hangs."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from workbench.deployment import Deployment
from workbench.deployments.supervision import Supervision
from workbench.errors import DeploymentError, WorkbenchError
from workbench.instance import InstanceEvent, InstanceState
from workbench.labs.panel import Panel, duration, table
from workbench.service import Service
from workbench.session import VARIABLE, session_id

_WITHIN_S = 60.0


def short(instance_id: str) -> str:
    """An instance's number in its deployment, where its name ends in one."""
    number = re.search(r"-(\d+)$", instance_id)
    return f"no.\u00a0{number[1]}" if number else instance_id


def story(events: Sequence[InstanceEvent], last: int = 12) -> Panel:
    """The last changes of state, with what was said to each: seconds count from the first of them."""
    shown = list(events)[-last:]
    start = shown[0].at_s if shown else 0.0
    rows = [[f"{e.at_s - start:.2f}\u00a0s", short(e.instance_id), e.state.value, _line(e.detail)] for e in shown]
    html, text = table(["at", "instance", "is", "why"], rows)
    return Panel("What happened", html, text)


def _line(detail: str) -> str:
    first = (detail.splitlines() or [""])[0]
    return first if len(first) <= 110 else first[:107] + "..."


def supervised(account: Supervision) -> Panel:
    """The instances that live, how long each took until it was ready, and which of them replaced another."""
    rows = [
        [
            short(i.instance_id),
            "-" if i.provisioned_ms is None else duration(i.provisioned_ms),
            "asked for" if i.survivor else "started in another's place",
        ]
        for i in account.instances
    ]
    html, text = table(["instance", "ready after", "why it is here"], rows)
    return Panel(f"{len(rows)} instances live; {account.ended} ended against our will", html, text)


def hang(instance_id: str) -> None:
    """Stop every process of an instance where it is (SIGSTOP): alive, but it answers nobody.

    Raises DeploymentError where no process of this session belongs to it.
    """
    stopped = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(VARIABLE) == session_id() and environment.get("WORKBENCH_INSTANCE") == instance_id:
                process.send_signal(signal.SIGSTOP)
                stopped += 1
    if not stopped:
        raise DeploymentError(f"No process of {instance_id} was found. instances() lists those that live.")


def refused(update: Callable[..., None], service: Service, **options: Any) -> str:
    """Try an update; what the workbench said where it refused, else nothing."""
    try:
        update(service, **options)
    except WorkbenchError as error:
        return str(error)
    return ""


def until_replaced(deployment: Deployment, since_s: float, within_s: float = _WITHIN_S) -> None:
    """Wait until an instance that was started after `since_s` (monotonic) is ready, or `within_s` seconds are over."""
    deadline = time.monotonic() + within_s
    while replaced_after_ms(deployment.events(), since_s) is None and time.monotonic() < deadline:
        time.sleep(0.05)


def replaced_after_ms(events: Sequence[InstanceEvent], since_s: float) -> float | None:
    """Milliseconds from `since_s` (monotonic) until the next new instance was ready; None when none has come."""
    started = {e.instance_id for e in events if e.at_s >= since_s and e.state is InstanceState.STARTING}
    ready = [e.at_s for e in events if e.instance_id in started and e.state is InstanceState.IDLE]
    return (min(ready) - since_s) * 1000 if ready else None
