"""The services that the labs deploy, each an ordinary Lambda-style handler in a directory of its own."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import PackageError
from workbench.samples.libraries import with_library
from workbench.service import Resources, Service

__all__ = ["HANDLERS", "PAYLOADS", "SAMPLES", "sample", "with_library"]

SAMPLES = {
    "pricing": "prices an order; two HTTP routes, a catalogue loaded in init, a counter in memory",
    "hashing": "busy with the CPU for as long as asked",
    "memory": "takes as much memory as asked",
    "probe": "looks around from inside its sandbox and presses against its limits",
    "forecast": "fits a sales forecast in its init, and draws an identity there; `FORECAST_YEARS` says how much work",
    "till": "prices an article, quickly the second time; `TILL_STALL_S` makes it stand still at a known time",
    "desk": "takes orders from every kind of event, prints which came, and fails on orders that begin with `bad`",
    "listener": "listens to a queue of RabbitMQ; `with_library` packs the client that it needs",
    "counter": "counts visits in memory and in a database in /tmp",
    "slow": "takes `SLOW_START_S` to start, and is quick afterwards",
    "pricing_node": "the pricing service in Node.js",
    "pricing_java": "the pricing service in Java, compiled when it is deployed",
}

PAYLOADS: dict[str, dict[str, object]] = {
    "pricing": {"sku": "A1", "quantity": 3},
    "hashing": {"rounds": 20_000},
    "memory": {"megabytes": 64},
    "probe": {"action": "whoami"},
    "forecast": {"weekday": 5, "hour": 17},
    "till": {"article": "tea"},
    "desk": {"order": "tea"},
    "listener": {"action": "status"},
    "counter": {"action": "visit"},
    "slow": {},
    "pricing_node": {"sku": "A1", "quantity": 3},
    "pricing_java": {"sku": "A1", "quantity": 3},
}
"""A payload that each sample answers."""

HANDLERS = {"pricing_node": "index.handler", "pricing_java": "shop.Pricing::handle"}
"""The handlers of samples in other languages than Python; theirs is `app.handler`."""


def sample(name: str, resources: Resources = Resources()) -> Service:
    """The sample service `name` (a key of SAMPLES); raises PackageError listing them when there is none so named."""
    if name not in SAMPLES:
        raise PackageError(f"There is no sample {name!r}. Choose one of: {', '.join(SAMPLES)}.")
    handler = HANDLERS.get(name, "app.handler")
    return Service.from_dir(Path(__file__).with_name(name), handler, name=name, resources=resources)
