"""Exercise 03: a handler that serves many callers in one instance at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.deployment import Deployment
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise

_CALLERS = 8
_SEATS = 4


def _at_once(deployment: Deployment, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All events sent at the same moment; what the checked handler told of each."""
    with ThreadPoolExecutor(len(events)) as callers:
        return [result.payload for result in callers.map(deployment.invoke, events)]


def _answer(told: dict[str, Any], story: str) -> Any:
    if told["raised"]:
        raise NotYet(f"{story} Your code raised {told['raised']}.")
    return told["answer"]


def _orders() -> list[dict[str, Any]]:
    """Eight different ones, every other with a note."""
    plain = [{"sku": f"A{number}", "quantity": number} for number in range(1, _CALLERS + 1)]
    return [{**order, "note": f"for {order['sku']}"} if place % 2 else order for place, order in enumerate(plain)]


def _expected(order: dict[str, Any]) -> dict[str, Any]:
    note = {"note": order["note"]} if "note" in order else {}
    return {"sku": order["sku"], "left": 100 + int(order["sku"][1:]) - order["quantity"], **note}


@check("An order is answered with what is left")
def _one(bench: Bench) -> str:
    order = {"sku": "A1", "quantity": 3, "note": "a gift"}
    answer = _answer(bench.deployed("serverless").invoke(order).payload, "One order came.")
    expect(answer, _expected(order), 'One order came: {"sku": "A1", "quantity": 3, "note": "a gift"}.')
    return "Of 101, 98 are left, and the note came back."


@check("An answer holds nothing of the caller before")
def _nothing_left_behind(bench: Bench) -> str:
    instance = bench.deployed("vm")
    instance.invoke({"sku": "A1", "quantity": 3, "note": "a gift"})
    answer = _answer(instance.invoke({"sku": "A2", "quantity": 1}).payload, "Then one came without a note.")
    expect(answer, {"sku": "A2", "left": 101}, "After an order with a note came one without, to the same instance.")
    return "The second caller got no note of the first."


@check("Eight callers at the same moment, in one instance: each gets an answer of their own")
def _own_answers(bench: Bench) -> str:
    orders = _orders()
    for order, told in zip(orders, _at_once(bench.deployed("vm"), orders), strict=True):
        story = f"Eight orders came at once, this one was {brief(order)}."
        expect(_answer(told, story), _expected(order), story)
    return "Eight orders, eight right answers."


@check("They do not stand in one line: several are with the warehouse at the same time")
def _not_in_one_line(bench: Bench) -> str:
    told = _at_once(bench.neighbour("vm", bench.service), _orders())
    most = max(one["most"] for one in told)
    if most < 2:
        raise NotYet(
            "Eight orders came at once to one instance, and the warehouse never had more than one of them: the other "
            "seven waited for a lock, with nothing to do. What does it have to protect?"
        )
    return f"At most {most} were with the warehouse together."


@check("Never more than four are with the warehouse, so nobody is turned away")
def _no_crowd(bench: Bench) -> str:
    told = _at_once(bench.neighbour("vm", bench.service), [*_orders(), *_orders()])
    turned_away = max(one["turned_away"] for one in told)
    expect(
        turned_away, 0, "Sixteen orders came at once. How many did the warehouse turn away? It takes four at a time."
    )
    for one in told:
        _answer(one, "Sixteen orders came at once.")
    return f"Sixteen orders came at once. At most {max(one['most'] for one in told)} were with the warehouse."


@check("An order for what there is not fails, and nobody after it waits for ever")
def _gives_back(bench: Bench) -> str:
    instance = bench.neighbour("vm", bench.service)
    for told in _at_once(instance, [{"sku": "none", "quantity": 1}] * (_SEATS + 1)):
        if not told["raised"]:
            raise NotYet(
                f"Of an article that there is not, it answered {brief(told['answer'])}. Let it raise KeyError."
            )
    order = {"sku": "A5", "quantity": 5}
    answer = _answer(instance.invoke(order).payload, "After five orders that failed came a good one.")
    expect(answer, _expected(order), "After five orders that failed came a good one.")
    return "Five failed, and the sixth was answered."


MANY_CALLERS = Exercise(
    name="many_callers",
    title="Many callers, one instance",
    notebook="03_scaling.ipynb",
    checked_handler="checked.handler",
    checks=(_one, _nothing_left_behind, _own_answers, _not_in_one_line, _no_crowd, _gives_back),
    hints=(
        "Ask of everything outside the handler: whose is it? What belongs to one order must not lie where the next one "
        "finds it. Then look at the lock again: does it still protect anything?",
        "A variable made inside the handler belongs to one call alone, and needs no lock. But the warehouse takes four "
        "at a time: something must let four in, and have the fifth wait. The threading module has such a thing.",
        "Drop the global order and the lock. Make `seats = threading.Semaphore(4)` at the top, and in the handler ask "
        "the warehouse inside `with seats:`, which gives the place back when the warehouse raises, too. Build the "
        "answer from the event alone.",
    ),
)
