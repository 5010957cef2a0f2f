"""Exercise 03b: a report of measured requests that tells none of the four lies."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.deployment import Deployment
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise
from workbench.labs.panel import duration
from workbench.samples import sample
from workbench.statistics import difference, percentile

Request = dict[str, Any]
"""One measured request: planned_s, sent_s, answered_s (None when nobody knows) and cold."""

_TEA = {"article": "tea"}
_STALL_AT_S, _STALL_S = 0.3, 0.5
_GIVES_UP_S = 0.2
_FIELDS = {"typical_ms", "p99_ms", "first_ms", "unanswered"}


def measured(deployment: Deployment, payloads: Sequence[Mapping[str, Any]], every_s: float = 0.0) -> list[Request]:
    """Requests due every `every_s` seconds, by one caller who waits for each answer and so falls behind in a stall.

    Without `every_s` each is due when the one before it has been answered.
    """
    found: list[Request] = []
    began = time.monotonic()
    for number, payload in enumerate(payloads):
        if every_s:
            time.sleep(max(0.0, began + number * every_s - time.monotonic()))
        sent = time.monotonic() - began
        planned = number * every_s if every_s else sent
        result = deployment.invoke(payload)
        answered = time.monotonic() - began
        found.append({"planned_s": planned, "sent_s": sent, "answered_s": answered, "cold": result.cold})
    return found


def since(requests: Sequence[Request], mark: str = "planned_s") -> list[float]:
    """How long each warm request that was answered took from this mark of its own, in ms."""
    return [(r["answered_s"] - r[mark]) * 1000 for r in requests if r["answered_s"] is not None and not r["cold"]]


def _till(bench: Bench, **environment: str) -> Deployment:
    return bench.neighbour("serverless", sample("till").with_environment(**environment))


def _stalled(bench: Bench) -> list[Request]:
    till = _till(bench, TILL_STALL_AT_S=str(_STALL_AT_S), TILL_STALL_S=str(_STALL_S))
    till.invoke(_TEA)  # its clock runs from here
    requests = measured(till, [_TEA] * 100, every_s=0.01)
    if max(since(requests)) < _STALL_S * 1000 / 2:
        raise NotYet("The till did not stand still while it was measured; that is not your fault. Run the check again.")
    return requests


def _report(bench: Bench, requests: Sequence[Request]) -> dict[str, Any]:
    answer = bench.deployed("serverless").invoke({"requests": list(requests)}).payload
    if not isinstance(answer, dict) or not set(answer) >= _FIELDS:
        raise NotYet(f"The report of requests must have {', '.join(sorted(_FIELDS))}; it was {brief(answer)}.")
    return answer


def _expect_between(seen: Any, low: float, high: float, story: str) -> None:
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        raise NotYet(f"{story} It answered {brief(seen)}; expected a number of milliseconds.")
    if not low * 0.999 <= seen <= high * 1.001:  # a report may round
        raise NotYet(f"{story} It answered {duration(seen)}; expected {duration(low)} to {duration(high)}.")


@check("The typical request is what half of them take at most")
def _typical(bench: Bench) -> str:
    till = _till(bench)
    till.invoke(_TEA)
    asked = [_TEA if number % 4 else {"article": f"article {number}"} for number in range(1, 61)]
    requests = measured(till, asked)
    ms = since(requests)
    seen = _report(bench, requests)["typical_ms"]
    story = f"{len(ms)} requests, a quarter of them for articles to be priced first: what is typical?"
    _expect_between(seen, percentile(ms, 40), percentile(ms, 60), story)
    return f"{duration(seen)}, where the mean would be {duration(sum(ms) / len(ms))}."


@check("A request counts from when it was due")
def _due(bench: Bench) -> str:
    requests = _stalled(bench)
    ms = since(requests)
    seen = _report(bench, requests)["p99_ms"]
    story = (
        f"100 requests were due, one every 10 ms, and the till stood still for {duration(_STALL_S * 1000)}. The p99?"
    )
    _expect_between(seen, percentile(ms, 97), max(ms), story)
    return f"p99 {duration(seen)}; from when they were sent, {duration(percentile(since(requests, 'sent_s'), 99))}."


@check("A first request is kept apart, and shown")
def _first(bench: Bench) -> str:
    till = _till(bench)
    began = time.monotonic()
    till.invoke_cold(_TEA)
    first = {"planned_s": 0.0, "sent_s": 0.0, "answered_s": time.monotonic() - began, "cold": True}
    shift = first["answered_s"]
    warm = measured(till, [_TEA] * 30)
    later = [{**r, **{mark: r[mark] + shift for mark in ("planned_s", "sent_s", "answered_s")}} for r in warm]
    answer, ms = _report(bench, [first, *later]), since(later)
    shown = answer["first_ms"]
    if not isinstance(shown, list) or len(shown) != 1:
        raise NotYet(f"One of 31 requests waited for a new instance. first_ms was {brief(shown)}; expected its time.")
    _expect_between(shown[0], shift * 1000, shift * 1000, "The request that waited for a new instance, in first_ms.")
    _expect_between(answer["p99_ms"], percentile(ms, 90), max(ms), "The p99 of the 30 requests that came after it.")
    return f"{duration(shown[0])} stands beside a p99 of {duration(answer['p99_ms'])}, and is not in it."


@check("A request without an answer is counted, and no p99 is claimed past it")
def _unanswered(bench: Bench) -> str:
    requests = _stalled(bench)
    patient = [r if r["answered_s"] - r["planned_s"] <= _GIVES_UP_S else {**r, "answered_s": None} for r in requests]
    gone = sum(r["answered_s"] is None for r in patient)
    answer = _report(bench, patient)
    story = f"In the same stall callers gave up after {duration(_GIVES_UP_S * 1000)}: {gone} of 100 got no answer."
    expect(answer["unanswered"], gone, f"{story} How many are unanswered?")
    expect(answer["p99_ms"], None, f"{story} The slowest of a hundred is one of them, and nobody knows how slow.")
    return f"{gone} of 100 had no answer, and p99_ms is left open."


@check("No winner inside the noise, and one beyond it")
def _winner(bench: Bench) -> str:
    till = _till(bench)
    till.invoke(_TEA)
    quick = since(measured(till, [_TEA] * 60))
    slow = since(measured(till, [{**_TEA, "again": True}] * 30))
    a, b = _dealt(quick)
    function = bench.deployed("serverless")
    story = "The requests of one and the same service were dealt at random into a and b. Which is slower?"
    expect(function.invoke({"a": a, "b": b}).payload, {"slower": None}, story)
    expect(function.invoke({"a": b, "b": a}).payload, {"slower": None}, story)
    story = "One side had each price kept, the other worked it out each time. Which is slower?"
    expect(function.invoke({"a": a, "b": slow}).payload, {"slower": "b"}, f"{story} (It was b.)")
    expect(function.invoke({"a": slow, "b": a}).payload, {"slower": "a"}, f"{story} (It was a.)")
    return f"{duration(percentile(a, 50))} and {duration(percentile(b, 50))}: not told apart. The two that differ are."


def _dealt(samples: Sequence[float]) -> tuple[list[float], list[float]]:
    """The samples in two halves, dealt as chance would, but so that even a hasty interval does not part them."""
    hands = []
    for seed in range(12):
        dealt = list(samples)
        random.Random(seed).shuffle(dealt)
        a, b = dealt[::2], dealt[1::2]
        found = difference(b, a)
        hands.append((max(found.low, -found.high), a, b))
    _, a, b = min(hands)
    return a, b


HONEST_REPORT = Exercise(
    name="honest_report",
    title="An honest report",
    notebook="03b_how_measurements_lie.ipynb",
    checked_handler="app.handler",
    checks=(_typical, _due, _first, _unanswered, _winner),
    hints=(
        "Go through the table at the end of lab 03b and look for each lie in the handler: which moment is subtracted, "
        "what is divided by what, who is skipped, and what decides on a winner?",
        "Sort the requests into three heaps first: those without an answer, the cold ones, the rest. Each heap has its "
        "own field. Percentiles are of the rest, from planned_s; where more than 1 in 100 of the requests has no "
        "answer, p99_ms is None.",
        "figures.percentile(ms, 50) is the typical one. For two sides, low, high = figures.difference(a, b): b is "
        "slower when low > 0, a when high < 0, and otherwise the answer is None.",
    ),
)
