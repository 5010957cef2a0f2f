"""Where serverless stops: consumers of a real broker, counters that forget, spikes onto a slow start, refusals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from workbench.deployment import Deployment
from workbench.errors import CapabilityMissing
from workbench.findings.spike import ended
from workbench.labs.measuring import measure
from workbench.labs.panel import Panel, say, table
from workbench.recorded import recorded
from workbench.records import Measurement
from workbench.samples import sample, with_library
from workbench.service import Resources, Service

if TYPE_CHECKING:
    from workbench.broker import Broker

RECORDED, STAYING = "lab_07", "lab_07_staying"
WHO = ("neither", "serverless", "container", "both")
HANDLED = ("none or a few", "about half", "nearly all")
ENDERS = ("nothing", "its time limit", "the broker")
HEARTBEAT_S, LIMIT_S = 2, 3


def broker() -> Broker | None:
    """A RabbitMQ of this session's own, started; None, with the reason shown, where there is none to start."""
    from IPython.display import display

    from workbench.broker import Broker

    try:
        return Broker()
    except CapabilityMissing as missing:
        display(say("No RabbitMQ here, so what follows is recorded", str(missing), kind="note"))  # type: ignore[no-untyped-call]
        return None


def listener(broker: Broker | None) -> Service:
    """The sample `listener` with the client that it needs in its package, and the way to the broker's port."""
    service = with_library(sample("listener", Resources(memory_mb=256, timeout_s=LIMIT_S)), "pika")
    if broker is None:
        return service
    known = service.with_environment(AMQP_URL=broker.url, LISTENER_HEARTBEAT_S=str(HEARTBEAT_S))
    return known.reaching(broker.port)


@contextlib.contextmanager
def listening(broker: Broker | None) -> Iterator[tuple[Deployment, ...]]:
    """The listener as a function, as a container and VM-style; nothing is deployed without a broker."""
    from workbench.deployments import deploy
    from workbench.isolation import best

    if broker is None:
        yield ()
        return
    service = listener(broker)
    # A container of Docker Engine's has no way to a port that is only on this machine's loopback address.
    box = "namespaces" if best() == "namespaces" else "process"
    with (
        deploy(service, "serverless") as function,
        deploy(service, "container", sandbox=box) as container,
        deploy(service, "vm") as process,
    ):
        yield function, container, process


def consumed(broker: Broker | None, ways: Iterable[Deployment], *, stay: bool = False) -> tuple[Measurement, ...]:
    """`experiments.consumer` on these, or what was recorded of it elsewhere where there is no broker."""
    if broker is None:
        return tuple(m for m in recorded(STAYING if stay else RECORDED).measurements if m.experiment == "consumer")
    from workbench.charts import consumer as draw
    from workbench.experiments import consumer

    return measure(consumer, *ways, broker=broker, stay=stay, draw=draw)


def how(measured: Iterable[Measurement]) -> str:
    """`measured`, or `recorded` where a machine without RabbitMQ shows another one's."""
    return next((m.provenance.kind for m in measured), "measured")


def handled(measured: Iterable[Measurement], name: str) -> str | None:
    """Which share of the messages this deployment handled, of HANDLED; None when it was not watched."""
    found = of(measured, name)
    if found is None or not found.detail["published_s"]:
        return None
    share = found.detail["handled"] / len(found.detail["published_s"])
    return HANDLED[0] if share < 0.25 else HANDLED[1] if share < 0.75 else HANDLED[2]


def ended_by(measured: Iterable[Measurement], name: str) -> str | None:
    """What ended this deployment's consumer, of ENDERS."""
    found = of(measured, name)
    if found is None:
        return None
    if found.detail["dropped_s"] is None:
        return ENDERS[0]
    return ENDERS[2] if found.detail["broker_said"] else ENDERS[1]


def told(measured: Iterable[Measurement]) -> Panel:
    """What everybody said: the invocation, the broker and, asked afterwards, the instance; and the messages counted."""
    rows = []
    for m in measured:
        d = m.detail
        rows += [
            [m.deployment, "the invocation", d["answer"]],
            ["", "the broker", d["broker_said"] or "nothing"],
            ["", "the instance, asked later", d["ended"] or ("was not asked" if d["stay"] else "nothing")],
            ["", "counted", f"{d['handled']} handled, {d['redelivered']} given out twice, {d['left']} left"],
        ]
    html, text = table(["deployment", "who", "said"], rows)
    return Panel("What they said", html, text)


def miscounted(measured: Iterable[Measurement]) -> str | None:
    """Whose counter gave answers that no correct one gives, of WHO."""
    return _who({m.deployment: bool(m.detail["wrong"]) for m in measured if m.samples})


def forgot(measured: Iterable[Measurement]) -> str | None:
    """Whose counter began anew after the rest, of WHO."""
    found = {}
    for m in measured:
        if "after a rest" in m.detail["stretch"]:
            found[m.deployment] = m.samples[m.detail["stretch"].index("after a rest")] == 1
    return _who(found)


def in_time(measured: Iterable[Measurement]) -> str | None:
    """Who answered more of a spike's requests in time: a deployment, or `about the same` within a twentieth."""
    shares = {m.deployment: ended(m)["in time"] / max(1, sum(ended(m).values())) for m in measured}
    if not {"serverless", "container"} <= shares.keys():
        return None
    gap = shares["serverless"] - shares["container"]
    return "about the same" if abs(gap) < 0.05 else "serverless" if gap > 0 else "container"


def first_answer_ms(measured: Iterable[Measurement], name: str) -> float | None:
    """When this deployment's first answer came, in ms from the spike's beginning; None when there was none."""
    found = of(measured, name)
    first = None if found is None else found.detail["first_answer_s"]
    return None if first is None else first * 1000


def takes(measured: Iterable[Measurement]) -> str | None:
    """Who took the package that is too large, of WHO."""
    found = {m.deployment: m.detail["probes"][0]["verdict"] == "runs" for m in measured if m.detail["probes"]}
    return _who(found)


def refusals(measured: Iterable[Measurement]) -> Panel:
    """What was tried, and what each deployment said."""
    rows: list[list[str]] = []
    for m in measured:
        for probe in m.detail["probes"]:
            rows.append([probe["name"], m.deployment, probe["verdict"], _short(probe["observed"])])
    rows.sort(key=lambda row: row[0])
    html, text = table(["tried", "deployment", "", "what was said"], rows)
    return Panel("What is taken", html, text)


def of(measured: Iterable[Measurement], name: str) -> Measurement | None:
    """The measurement of the deployment of this name."""
    return next((m for m in measured if m.deployment == name), None)


def _who(found: dict[str, bool]) -> str | None:
    if not {"serverless", "container"} <= found.keys():
        return None
    yes: Any = [name for name in ("serverless", "container") if found[name]]
    return WHO[3] if len(yes) == 2 else yes[0] if yes else WHO[0]


def _short(said: str) -> str:
    return said if len(said) <= 330 else said[:327] + "..."
