"""Record what lab 07 shows where a machine cannot measure it: `python -m workbench.labs.record_stops`.

A consumer of a real RabbitMQ in each deployment, in the background and in an invocation that stays; and a spike onto a
service that takes longer to start than a function may. To be run on a machine with RabbitMQ and nothing else to do.
"""

from __future__ import annotations

from contextlib import ExitStack

from workbench.broker import Broker
from workbench.deployments import deploy
from workbench.experiments import consumer, spike
from workbench.labs.recording import load_before, run_of, told, write
from workbench.labs.stops import RECORDED, STAYING, listener, listening
from workbench.records import Measurement
from workbench.samples import sample
from workbench.service import Resources

START_S, OVER_S = 12, 25.0
"""Longer than the 10 s that a function's init may take, and a spike that is still there when it would be over."""


def record() -> list[str]:
    """Measure, and write both files."""
    busy, service = load_before(), listener(None)
    about = {"name": service.name, "handler": service.handler, "runtime": service.runtime}
    with Broker() as broker:
        with listening(broker) as ways:
            background = consumer(*ways, broker=broker, progress=told)
        with listening(broker) as ways:
            staying = consumer(*ways, broker=broker, stay=True, progress=told)
    found = (*background, *_slow())
    return [
        str(write(run_of(about, found, busy), RECORDED)),
        str(write(run_of(about, staying, busy), STAYING)),
    ]


def _slow() -> tuple[Measurement, ...]:
    resources = Resources(memory_mb=256, timeout_s=10)
    service = sample("slow", resources).with_environment(SLOW_START_S=str(START_S))
    with ExitStack() as stack:
        ways = [
            stack.enter_context(deploy(service, "serverless")),
            stack.enter_context(deploy(service, "container", concurrency=2)),
            stack.enter_context(deploy(service, "vm", concurrency=2)),
        ]
        return spike(*ways, requests=1000, over_s=OVER_S, progress=told)


if __name__ == "__main__":
    print(*record(), sep="\n")
