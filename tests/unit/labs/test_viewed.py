"""Deployments under other names, called at once, and their answers side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.deployments import fake
from workbench.errors import HandlerError
from workbench.invocation import InvocationResult
from workbench.labs import at_once, beside, common, named
from workbench.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "app.py").write_text(
        "import threading\ntogether = threading.Barrier(3, timeout=20)\n"
        "def handler(event, context):\n    return {'at': together.wait(), 'n': event['n']}\n"
    )
    return Service.from_dir(tmp_path, "app.handler")


def test_a_name_is_all_that_changes(service: Service) -> None:
    with fake.deploy(service) as deployment:
        called = named(deployment, "twice")
        assert (called.pattern, deployment.pattern) == ("twice", "fake")
        assert called.instances() == deployment.instances()


def test_calls_at_once_are_in_the_handler_at_the_same_time(service: Service) -> None:
    with fake.deploy(service) as deployment:
        results = at_once(deployment, {"n": 7}, 3)
    assert sorted(result.payload["at"] for result in results) == [0, 1, 2]


def test_what_one_call_raises_is_raised(service: Service) -> None:
    with fake.deploy(service) as deployment, pytest.raises(HandlerError, match="'n'"):
        at_once(deployment, {}, 3)


def result(instance: str, *, cold: bool = True, **payload: str) -> InvocationResult:
    return InvocationResult(payload, instance, cold, 12.0)


def test_answers_stand_side_by_side_with_the_fields_asked_for() -> None:
    panel = beside({"first": result("i-1", who="<a>"), "second": result("i-2", cold=False, who="b")}, ["who"])
    assert panel.text.splitlines() == [
        "        instance  cold  answered in  who",
        "first   i-1       yes   12 ms        <a>",
        "second  i-2       no    12 ms        b",
    ]
    assert "&lt;a&gt;" in panel.html


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, "a"),
        ({"a": "1", "b": "2"}, {"a": "0", "b": "2"}, "b"),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, "both"),
        ({"a": "1", "b": "2"}, {"a": "0", "b": "3"}, "neither"),
    ],
)
def test_what_answers_have_in_common(one: dict[str, str], other: dict[str, str], shared: str) -> None:
    assert common([result("i-1", **one), result("i-2", **other)], ["a", "b"]) == shared
