"""A consumer that subscribes to a queue: what becomes of its messages, and of its connection, in each deployment."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance

EXPERIMENT = "consumer"
_EVERY_S = 0.05
_QUIET_S = 0.5
_ASKED_AT_MOST = 40


class Broker(Protocol):
    """What is asked of a broker; `workbench.broker.Broker` is a real one."""

    def make(self, queue: str) -> None: ...
    def publish(self, queue: str, body: Any) -> None: ...
    def depth(self, queue: str) -> tuple[int, int]: ...
    def take(self, queue: str) -> list[Any]: ...
    def closed(self, name: str) -> str: ...


@dataclass
class _Watched:
    """One deployment's queue, and what was seen of it; times in seconds from the first message."""

    deployment: Deployment
    queue: str
    answer: str = ""
    handled: list[tuple[float, int, bool]] = field(default_factory=list)  # when seen, which, was it a second delivery
    depth: list[list[float]] = field(default_factory=list)  # [s, messages waiting, consumers], where it changes
    subscribed: bool = False
    dropped_s: float | None = None
    left: list[bool] = field(default_factory=list)  # of each message left: had it been delivered before
    status: dict[str, Any] = field(default_factory=dict)
    quiet_since_s: float = 0.0

    def over(self, now: float, messages: int) -> bool:
        """Whether nothing more will come: all was handled, or nobody listens any longer."""
        done = len({order for _, order, _ in self.handled}) >= messages or self.dropped_s is not None
        return done and now - self.quiet_since_s > _QUIET_S


def consumer(
    *deployments: Deployment,
    broker: Broker,
    messages: int = 80,
    per_s: float = 20.0,
    stay: bool = False,
    within_s: float = 25.0,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Have each deployment of the sample `listener` subscribe to a queue of its own; publish to all at the same time.

    `messages` are published at `per_s` a second, to every queue alike. With `stay` the invocation that subscribes goes
    on as long as it may; without, it answers and the listening goes on in the background. It is over when every queue's
    messages were handled or nobody listens to it any longer, after `within_s` at the latest. Then each instance is
    asked how it went, and what is left in the queues is taken out and counted.

    Samples: milliseconds from publishing a message until it was seen to be handled (looked at every 50 ms). Detail:
    published_s and handled_s (when seen), depth [[s, waiting, consumers]], dropped_s (when the last consumer was gone;
    None: it was there to the end), broker_said (why it closed the connection), answer (of the subscribing invocation,
    or why it failed), ended (how the listening ended, told by the instance), handled, redelivered (messages given out a
    second time, handled or left), left. Raises what `invoke` raises at the beginning, and Interrupted.
    """
    tell = progress or silent
    watched = [_Watched(d, f"{d.pattern}-{uuid.uuid4().hex[:6]}") for d in deployments]
    published: list[float] = []
    with keeping(lambda: tuple(_measurement(one, published, stay, False) for one in watched)):
        for one in watched:
            broker.make(one.queue)
            broker.make(f"{one.queue}.done")
        staying = [_subscribe(one, stay) for one in watched]
        _await_consumers(broker, watched, within_s)
        began = time.monotonic()
        while True:
            now = time.monotonic() - began
            while len(published) < messages and len(published) / per_s <= now:
                published.append(now)
                for one in watched:
                    broker.publish(one.queue, {"order": len(published) - 1})
            for one in watched:
                _look(broker, one, now)
            tell(EXPERIMENT, len(published), messages)
            if (len(published) == messages and all(one.over(now, messages) for one in watched)) or now > within_s:
                break
            time.sleep(_EVERY_S)
        for one, thread in zip(watched, staying, strict=True):
            _finish(broker, one, thread, stay)
    return tuple(_measurement(one, published, stay, True, broker.closed(one.queue)) for one in watched)


def _subscribe(one: _Watched, stay: bool) -> threading.Thread | None:
    if not stay:
        answer = one.deployment.invoke({"action": "subscribe", "queue": one.queue})
        one.answer = (
            "answered, and listens in the background" if answer.payload["listening"] else answer.payload["ended"]
        )
        return None

    def call() -> None:
        try:
            one.deployment.invoke({"action": "stay", "queue": one.queue})
            one.answer = "answered"
        except WorkbenchError as error:
            one.answer = str(error).splitlines()[0].partition(" Raise ")[0]  # without what is advised for other cases

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def _await_consumers(broker: Broker, watched: list[_Watched], within_s: float) -> None:
    """Until each queue has its consumer: a message published before would be waited for by nobody yet."""
    deadline = time.monotonic() + within_s
    for one in watched:
        while not one.subscribed and time.monotonic() < deadline:
            one.subscribed = broker.depth(one.queue)[1] > 0
            time.sleep(0.01)


def _look(broker: Broker, one: _Watched, now: float) -> None:
    for done in broker.take(f"{one.queue}.done"):
        one.handled.append((now, int(done.body["order"]), bool(done.body["redelivered"])))
        one.quiet_since_s = now
    waiting, consumers = broker.depth(one.queue)
    if not one.depth or one.depth[-1][1:] != [waiting, consumers]:
        one.depth.append([now, waiting, consumers])
        one.quiet_since_s = now
    if consumers:
        one.dropped_s = None
    elif one.dropped_s is None:
        one.dropped_s = now


def _finish(broker: Broker, one: _Watched, thread: threading.Thread | None, stay: bool) -> None:
    if stay:
        if one.dropped_s is not None and thread is not None:
            thread.join(5)
        one.answer = one.answer or "did not answer: it still listens"
    else:
        one.status = _status(one)
        one.handled += [
            (one.depth[-1][0], int(done.body["order"]), bool(done.body["redelivered"]))
            for done in broker.take(f"{one.queue}.done")
        ]
    one.left = [message.redelivered for message in broker.take(one.queue)]


def _status(one: _Watched) -> dict[str, Any]:
    """How it went, told by the instance; one whose connection was closed while it was frozen needs a moment to see."""
    for _ in range(_ASKED_AT_MOST):
        told: dict[str, Any] = one.deployment.invoke({"action": "status"}).payload
        if one.dropped_s is None or not told["listening"]:
            break
        time.sleep(_EVERY_S)
    return told


def _measurement(
    one: _Watched, published: list[float], stay: bool, complete: bool, broker_said: str = ""
) -> Measurement:
    first: dict[int, float] = {}
    for at, order, _ in one.handled:
        first.setdefault(order, at)
    samples = tuple(max(0.0, at - published[order]) * 1000 for order, at in sorted(first.items()))
    detail = {
        "stay": stay,
        "published_s": list(published),
        "handled_s": sorted(first.values()),
        "depth": one.depth,
        "dropped_s": one.dropped_s,
        "broker_said": broker_said,
        "answer": one.answer,
        "ended": str(one.status.get("ended", "")),
        "handled": len(first),
        "redelivered": sum(again for _, _, again in one.handled) + sum(one.left),
        "left": len(one.left),
    }
    how = (
        f"{len(published)} messages published to a queue of RabbitMQ that one instance had subscribed to, "
        f"{'in an invocation that stays' if stay else 'in the background'}; all deployments at the same time"
    )
    return Measurement(
        EXPERIMENT,
        one.deployment.pattern,
        one.deployment.sandbox,
        "ms",
        samples,
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
