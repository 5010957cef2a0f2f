"""Every way to invoke, beside the platform: what `faas.serve.run` is given where there is an AWS endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.events.flow import Flow
from workbench.events.http.companion import ApiGateway
from workbench.events.mail import Mail
from workbench.events.mappings import Mappings
from workbench.events.schedule.driver import Schedules
from workbench.faas.companion import Companion, Host

__all__ = ["COMPANIONS", "beside"]

COMPANIONS: tuple[Callable[[Host, Flow], Companion], ...] = (Mappings, ApiGateway, Mail, Schedules)
"""What is made beside every platform that has an AWS endpoint; each way to invoke adds one."""


def beside(host: Host) -> Sequence[Companion]:
    """For `faas.serve.run`: all companions, with the one flow that they tell of each event."""
    flow = Flow()
    host.watchers.append(flow.delivered)
    companions: list[Companion] = [flow]
    if host.embedded:
        from workbench.events.embedded import Embedded  # only where it is asked for

        companions.append(Embedded(host, flow))  # first: the others use its services as soon as they begin
    return (*companions, *(make(host, flow) for make in COMPANIONS))
