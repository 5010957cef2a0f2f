"""Exercise 02: a handler that starts quickly, and is safe in a snapshot."""

from __future__ import annotations

from typing import Any

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise
from workbench.labs.panel import duration
from workbench.labs.phases import phases

_HOME = {"net": 1000}
_ABROAD = {"net": 1000, "to": "NO"}
_SAMPLES = 5
_ENOUGH = 0.5
"""The share of the given handler's init that may be left; without the duties it is far less, on any machine."""


def _answer(result: InvocationResult) -> dict[str, Any]:
    answer = result.payload.get("answer") if isinstance(result.payload, dict) else None
    if not isinstance(answer, dict) or not {"order", "total"} <= set(answer):
        raise NotYet(f'The handler must return {{"order": number, "total": cents}}; it returned {brief(answer)}.')
    return answer


@check("An order at home comes to its net price")
def _at_home(bench: Bench) -> str:
    answer = _answer(bench.deployed("serverless").invoke_cold(_HOME))
    expect(answer["total"], 1000, "An order of 1000 cents, at home.")
    return f"Order {brief(answer['order'])} comes to 1000 cents."


@check("An order abroad comes with its duty, the first one of an instance too")
def _abroad(bench: Bench) -> str:
    function = bench.deployed("serverless")
    first = _answer(function.invoke_cold(_ABROAD))
    expect(first["total"], 1110, "A new instance got an order of 1000 cents to Norway, where the duty is 11 %.")
    second = _answer(function.invoke({"net": 200, "to": "CH"}))
    expect(second["total"], 208, "Then one of 200 cents to Switzerland, where it is 4 %.")
    return "Norway and Switzerland are right, on an instance that had done nothing before."


@check("The duties are worked out when an order first needs them, and once an instance")
def _when_needed(bench: Bench) -> str:
    function = bench.deployed("serverless")
    first = function.invoke_cold(_HOME)
    _answer(first)
    expect(first.payload["loads"], 0, "A new instance got an order at home. How often had it worked out the duties?")
    results = [function.invoke(_ABROAD) for _ in range(3)]
    same = [r.payload["loads"] for r in results if r.instance_id == first.instance_id]
    if not same:
        raise NotYet("The instance was gone before an order abroad came. Run the check again.")
    expect(same[-1], 1, f"Then it got {len(same)} orders abroad. How often has it worked out the duties?")
    return f"Not for an order at home, and once for {len(same)} orders abroad."


@check("A new instance is ready sooner: its function init is well below that of the handler given")
def _quicker(bench: Bench) -> str:
    from workbench.experiments import cold_start  # loads what measures: only where it is measured

    own, given = bench.deployed("serverless"), bench.beside("serverless", "as_given.handler")
    measured = cold_start(own, given, samples=_SAMPLES, warm_per_sample=0, payload=_HOME)
    mine, theirs = (phases(m)["function init"] for m in measured)
    seen = f"{duration(mine)} against {duration(theirs)}, the medians of {_SAMPLES} cold starts each, taken in turn."
    if mine > _ENOUGH * theirs:
        raise NotYet(f"Function init took {seen} What in it does an order at home not need?")
    return seen


@check("No order number is given out twice, not even by two instances of one snapshot")
def _unique(bench: Bench) -> str:
    function: Any = bench.deployed("serverless")
    _expect_unique(function, "Two instances, one after the other, took three orders each.")
    techniques = getattr(function, "techniques", ())
    if "snapshot" not in techniques:
        return (
            "Two instances gave out different numbers. Two of one snapshot were not tried: here there are none. They "
            "would have in common whatever was drawn at import, so look at yours once more."
        )
    _expect_unique(function.by("snapshot"), "Two instances were restored from one snapshot and took three orders each.")
    return "Six orders of two instances from one snapshot: six numbers. So it was with instances that start anew."


def _expect_unique(deployment: Deployment, story: str) -> None:
    numbers = []
    for _ in range(2):
        numbers.append(_answer(deployment.invoke_cold(_HOME))["order"])
        numbers += [_answer(deployment.invoke(_HOME))["order"] for _ in range(2)]
    again = [number for place, number in enumerate(numbers) if number in numbers[:place]]
    if again:
        raise NotYet(f"{story} {brief(again[0])} was given out more than once.")


QUICK_START = Exercise(
    name="quick_start",
    title="A quick and safe start",
    notebook="02_cold_start.ipynb",
    checked_handler="checked.handler",
    checks=(_at_home, _abroad, _when_needed, _quicker, _unique),
    hints=(
        "Two lines at the top of the file do something. Ask of each: does every request need it, and may every "
        "instance have the same?",
        "What few requests need can wait for the first of them: a function works it out, and keeps it for the next "
        "(functools.cache does). What must differ from instance to instance must not be decided before the snapshot.",
        "Put customs.load() into a function of its own under @functools.cache, and call it where the duty is needed. "
        "As for the series: draw it in a function, call that once at the top, and pass it to register_after_restore "
        "of snapshot_restore_py, which calls it again after every restore. Or draw a number for each order.",
    ),
)
