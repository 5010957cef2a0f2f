"""Exercise 00: a basket that is right whichever instance answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise

_TURNS = 6
_HOLD_S = 0.05
"""How long an instance stays busy with a call: the balancer gives the call beside it to the other."""


def _add(deployment: Deployment, basket: list[str], sku: str, *, cold: bool = False) -> InvocationResult:
    call = deployment.invoke_cold if cold else deployment.invoke
    return call({"basket": basket, "add": sku})


def _answer(result: InvocationResult) -> dict[str, Any]:
    answer = result.payload.get("answer") if isinstance(result.payload, dict) else None
    if not isinstance(answer, dict) or not {"basket", "total"} <= set(answer):
        raise NotYet(f'The handler must return {{"basket": [...], "total": cents}}; it returned {brief(answer)}.')
    return answer


@check("A first customer fills a basket: the total is right")
def _one_customer(bench: Bench) -> str:
    function = bench.deployed("serverless")
    first = _answer(_add(function, [], "A1", cold=True))
    expect(first["total"], 250, "An empty basket, and A1 is added.")
    second = _answer(_add(function, ["A1"], "B2"))
    expect(second["total"], 1450, "A1 is in the basket, and B2 is added.")
    return "Two calls, answered by one instance."


@check("A second customer starts empty: nobody finds another's articles in the basket")
def _two_customers(bench: Bench) -> str:
    function = bench.deployed("serverless")
    _add(function, [], "D4", cold=True)
    second = _answer(_add(function, [], "C3"))
    story = "Ann put D4 in her basket. Then Bob, whose basket is empty, added C3."
    expect({k: second[k] for k in ("basket", "total")}, {"basket": ["C3"], "total": 75}, story)
    return "Ann's basket and Bob's went through the same instance and did not meet."


@check("A new instance answers: what was in the basket is still there")
def _new_instance(bench: Bench) -> str:
    function = bench.deployed("serverless")
    before = _add(function, [], "A1", cold=True)
    after = _add(function, ["A1"], "A1", cold=True)
    if before.instance_id == after.instance_id:
        raise NotYet("One instance answered both calls, so this could not be seen. Run the check again.")
    expect(_answer(after)["total"], 500, "A1 was added, then a new instance took over and A1 was added again.")
    return "Two instances answered, the second of them new and without any memory."


@check("Two instances share the work: everybody's total is right whoever answers")
def _two_instances(bench: Bench) -> str:
    container = bench.deployed("container", instances=2)
    customers = {"Ann": "A1", "Bob": "B2"}
    prices = {"Ann": 250, "Bob": 1200}
    answered: set[str] = set()

    def call(customer: str, had: int) -> InvocationResult:
        sku = customers[customer]
        return container.invoke({"basket": [sku] * had, "add": sku, "hold_s": _HOLD_S})

    with ThreadPoolExecutor(len(customers)) as both:
        for had in range(_TURNS):
            first = sorted(customers, reverse=bool(had % 2))  # in turn, so that a customer meets either instance
            at_once = {customer: both.submit(call, customer, had) for customer in first}
            results = {customer: future.result() for customer, future in at_once.items()}
            answered |= {result.instance_id for result in results.values()}
            for customer, result in results.items():
                story = f"{customer} had {had} × {customers[customer]} and added one more, while the other shopped too."
                expect(_answer(result)["total"], prices[customer] * (had + 1), story)
    if len(answered) < 2:
        raise NotYet("Only one instance answered, so this could not be seen. Run the check again.")
    return f"{2 * _TURNS} calls, two at a time, went to {len(answered)} instances ({container.sandbox})."


@check("The catalogue is read once an instance, in its init, not once a call")
def _init_once(bench: Bench) -> str:
    function = bench.deployed("serverless")
    first = _add(function, [], "A1", cold=True)
    results = [first, *(_add(function, ["A1"] * n, "A1") for n in range(1, 4))]
    same = [r.payload["loads"] for r in results if r.instance_id == first.instance_id]
    expect(same[-1], 1, f"One instance answered {len(same)} calls. How often had it read the catalogue?")
    return f"One instance answered {len(same)} calls and read the catalogue once."


STATELESS = Exercise(
    name="stateless",
    title="A basket that is right whichever instance answers",
    notebook="00_stateless.ipynb",
    checked_handler="checked.handler",
    checks=(_one_customer, _two_customers, _new_instance, _two_instances, _init_once),
    hints=(
        "A name at the top of the file lives as long as the instance does. Who else is served by this instance, and "
        "what does the next instance know of it?",
        'The caller sends along all it knows: event["basket"] is the basket before this call. What the handler needs '
        "for its answer is in the event; what it returns comes back with the next call.",
        "Make a new list of event['basket'] and the article added, and sum its prices. The catalogue is different: "
        "it is the same for everybody, so reading it belongs at the top of the file, where it runs once an instance.",
    ),
)
