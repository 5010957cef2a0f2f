"""Exercise 01: one handler that works wherever it is deployed, and tells the truth about its health."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, HandlerError
from workbench.experiments.traffic import Traffic
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise
from workbench.service import Service

_ORDER = {"sku": "A1", "quantity": 3}
_PRICED = {"sku": "A1", "total": 750, "currency": "EUR"}
_HEALTH = "/health"
_UNHEALTHY_WITHIN_S = 3.0
"""How long the version without prices is given to become healthy. It never does; each second of it is waited for."""


def _in(service: Service, place: str, **variables: str) -> Service:
    """The service in one of the places of `given/anywhere/checked.py`."""
    return service.with_environment(CHECKED_PLACE=place, **variables)


def _http(path: str, **query: str) -> dict[str, Any]:
    """A GET as API Gateway's HTTP API hands it to a function (payload format 2.0)."""
    http = {"method": "GET", "path": path}
    event: dict[str, Any] = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": {"http": http}}
    return {**event, "queryStringParameters": query} if query else event


def _get(deployment: Deployment, path: str) -> tuple[int, str]:
    """Status and body of a GET of the deployment itself."""
    try:
        with urllib.request.urlopen(deployment.endpoint + path, timeout=10) as response:
            return int(response.status), str(response.read(2000).decode())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(2000).decode()


def _why(deployment: Deployment, status: int) -> str:
    """What an instance printed when its handler raised; a caller gets 502 then, and no more."""
    printed = deployment.logs(deployment.instances()[0].instance_id).splitlines()
    raised = [line.removeprefix("[ERROR] ") for line in printed if line.startswith("[ERROR]")]
    return f" Your code raised {raised[-1]}." if status == 502 and raised else ""


@check("It answers as it did on its author's laptop")
def _on_the_laptop(bench: Bench) -> str:
    vm = bench.deployed("vm")
    expect(vm.invoke(_ORDER).payload, _PRICED, "The event {'sku': 'A1', 'quantity': 3} came directly.")
    return "Three of A1 come to 750 cents."


@check("It finds its price list wherever it is started, and reads it from there")
def _elsewhere(bench: Bench) -> str:
    vm = bench.neighbour("vm", _in(bench.service, "elsewhere"))
    expect(vm.invoke(_ORDER).payload, _PRICED, "It was started in a directory that holds nothing.")
    with _with_prices(bench.service, "sku,cents\nA1,300\n") as dearer:
        vm.update(_in(dearer, "elsewhere"))
    expect(vm.invoke(_ORDER).payload["total"], 900, "Then a version came in whose price list says 300 cents.")
    return "Started in an empty directory it found its list, and the next version's list too."


@check("It writes nothing beside its code: in a box, that place is read-only")
def _read_only(bench: Bench) -> str:
    container = bench.neighbour("container", _in(bench.service, "read_only"))
    for quantity in (3, 4):  # what was kept at the first call may be what the second fails on
        story = (
            f"Only the temporary directory could be written to ({container.sandbox}). {quantity} of A1 were ordered."
        )
        wanted = {**_PRICED, "total": 250 * quantity}
        expect(container.invoke({**_ORDER, "quantity": quantity}).payload, wanted, story)
    return f"Two orders, and not a byte written where nothing may be ({container.sandbox})."


@check("Its currency is what its environment says")
def _environment(bench: Bench) -> str:
    function = bench.deployed("serverless")
    for currency in ("NOK", "CHF"):
        function.update(_in(bench.service, "laptop", CURRENCY=currency))
        story = f"The same package was deployed with CURRENCY={currency}."
        expect(function.invoke(_ORDER).payload, {**_PRICED, "currency": currency}, story)
    return "One package, two settings: NOK, and CHF."


@check("It answers over HTTP as well: GET /price?sku=A1&quantity=3")
def _over_http(bench: Bench) -> str:
    function = bench.neighbour("serverless", _in(bench.service, "laptop"))
    try:
        answer = function.invoke(_http("/price", sku="A1", quantity="3")).payload
    except HandlerError as error:
        raise NotYet(
            f"API Gateway made an event of the request, with requestContext, rawPath and queryStringParameters in it. "
            f"Your code raised {error.error_type}: {error.error_message}."
        ) from error
    if not isinstance(answer, dict) or answer.get("statusCode") != 200:
        raise NotYet(f'The answer to an HTTP event has a "statusCode" and a "body"; it returned {brief(answer)}.')
    _expect_body(answer.get("body"), "Serverless, by an event as API Gateway makes it.")
    container = bench.deployed("container")
    status, body = _get(container, "/price?sku=A1&quantity=3")
    expect(status, 200, f"GET /price?sku=A1&quantity=3 was sent to a container.{_why(container, status)}")
    _expect_body(body, "From a container, over HTTP.")
    return "Serverless by an event, a container by a request: the same answer."


def _expect_body(body: Any, story: str) -> None:
    try:
        answer = json.loads(body)
    except (TypeError, ValueError) as error:
        raise NotYet(f"{story} The body is a string of JSON; it was {brief(body)}. json.dumps makes one.") from error
    expect(answer, _PRICED, story)


@check("GET /health tells the truth: 200 with a price list, 503 without a price in it")
def _healthy(bench: Bench) -> str:
    vm = bench.neighbour("vm", _in(bench.service, "anywhere"))
    status, _ = _get(vm, _HEALTH)
    expect(status, 200, f"GET /health, with the price list in its place.{_why(vm, status)}")
    for content, what in (("sku,cents\n", "a price list without any price"), (None, "no price list at all")):
        with _with_prices(bench.service, content) as broken:
            try:
                vm.update(_in(broken, "anywhere"))
            except (HandlerError, DeploymentError) as error:
                raise NotYet(f"A version with {what} did not start: {error} Let it start, and say 503.") from error
        status, _ = _get(vm, _HEALTH)
        expect(status, 503, f"GET /health of a version with {what}.{_why(vm, status)}")
    return "200 with the list; 503 with an empty one, and with none."


@check("All of it, three ways; a version without prices is rolled back, and nobody notices")
def _everywhere(bench: Bench) -> str:
    ready = _in(bench.service, "anywhere", CURRENCY="NOK")
    wanted = {**_PRICED, "currency": "NOK"}
    for pattern in ("serverless", "vm"):
        deployment = bench.neighbour(pattern, ready)
        expect(deployment.invoke(_ORDER).payload, wanted, f"Deployed as {pattern} ({deployment.sandbox}).")
    container: Any = bench.neighbour("container", ready)
    expect(container.invoke(_ORDER).payload, wanted, f"Deployed as container ({container.sandbox}).")
    status, _ = _get(container, _HEALTH)  # else no instance would ever be found healthy, and all would wait for it
    expect(status, 200, f"GET /health, before it is relied upon.{_why(container, status)}")
    container.update(replace(ready, health_path=_HEALTH))
    with _with_prices(ready, "sku,cents\n") as broken, Traffic(container, _ORDER) as callers:
        try:
            container.update(replace(broken, health_path=_HEALTH), within_s=_UNHEALTHY_WITHIN_S)
        except (DeploymentError, HandlerError):
            pass
        else:
            raise NotYet("A version without a price was taken for healthy, and has replaced the one that worked.")
    if callers.failed:
        raise NotYet(
            f"It was rolled back, but {callers.failed} of {callers.asked} calls failed: {callers.first_failure}"
        )
    expect(container.invoke(_ORDER).payload, wanted, "The new version was rolled back. Then an order came.")
    return f"Rolled back while {callers.asked} calls came in. All were answered, by the version that works."


@contextlib.contextmanager
def _with_prices(service: Service, prices: str | None) -> Iterator[Service]:
    """The service with another price list (None: without one), in a directory that goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="workbench-exercise-") as place:
        source = Path(place) / "service"
        shutil.copytree(service.source, source, ignore=shutil.ignore_patterns("__pycache__"))
        if prices is None:
            (source / "prices.csv").unlink()
        else:
            (source / "prices.csv").write_text(prices, encoding="utf-8")
        yield replace(service, source=source)


ANYWHERE = Exercise(
    name="anywhere",
    title="One handler, wherever it is deployed",
    notebook="01_anywhere.ipynb",
    checked_handler="checked.handler",
    checks=(_on_the_laptop, _elsewhere, _read_only, _environment, _over_http, _healthy, _everywhere),
    hints=(
        "Go through the file and ask of each line what it takes for granted: where it is started, what may be written, "
        "what is the same everywhere, and what an event looks like. A laptop grants all of it; no box does.",
        "Path(__file__) says where the code lies, os.environ what differs from place to place, and memory keeps "
        'things without a file. An HTTP event has "requestContext" in it; then "rawPath" is the path, and '
        '"queryStringParameters" holds text, not numbers.',
        'Read the list once at the top of the file, from Path(__file__).with_name("prices.csv"), into a dictionary '
        "that is empty where there is no file. In the handler: no requestContext, the answer as it was; /health, "
        '{"statusCode": 200 or 503}; else {"statusCode": 200, "body": json.dumps(answer)}, with int(quantity).',
    ),
)
