"""The same platform over each kind of sandbox: what a function must not notice, and what each must hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.faas.platform import Platform, eventually
from tests.needs import needs

KINDS = [pytest.param("namespaces", marks=needs("namespaces")), pytest.param("docker", marks=needs("docker"))]


@pytest.fixture(scope="module", params=KINDS)
def boxed(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with Platform("--idle-expiry-s", "600", isolation=request.param) as running:
        assert running.ask("GET", "health")["isolation"] == request.param
        yield running


def test_cold_warm_and_two_at_once(boxed: Platform) -> None:
    name = boxed.create()
    cold, warm = boxed.invoke(name), boxed.invoke(name)
    assert [a["Headers"]["x-workbench-cold"] for a in (cold, warm)] == ["1", "0"]
    phases = json.loads(cold["Headers"]["x-workbench-phases"])
    assert all(value > 0 for value in phases.values())
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: boxed.value(name, {"sleep": 3}), range(2)))
    assert len({answer["me"] for answer in both}) == 2
    eventually(lambda: all(i["state"] == "frozen" for i in boxed.instances(name)))
    assert boxed.value(name)["me"] in {answer["me"] for answer in both}
    boxed.delete(name)


def test_timeout_exit_crash_and_output(boxed: Platform) -> None:
    name = boxed.create(Timeout=2)
    assert json.loads(boxed.invoke(name, {"sleep": 30})["Body"])["errorType"] == "Sandbox.Timedout"
    gone = json.loads(boxed.invoke(name, {"exit": 7, "print": "last words"})["Body"])
    assert gone["errorMessage"].endswith("Runtime exited with error: exit status 7")
    answer = boxed.invoke(name, {"print": "hello"})
    instance = answer["Headers"]["x-workbench-instance"]
    assert "hello\n" in boxed.ask("GET", f"functions/{name}/logs/{instance}")["log"]
    boxed.ask("DELETE", f"functions/{name}/instances/{instance}")
    eventually(lambda: not boxed.instances(name))
    assert boxed.value(name)["count"] == 1
    boxed.delete(name)


@needs("cgroups")
def test_memory_beyond_the_limit_is_refused(boxed: Platform) -> None:
    name = boxed.create(MemorySize=512)
    boxed.value(name)
    assert "memory" in boxed.instances(name)[0]["enforced"]
    body = json.loads(boxed.invoke(name, {"eat_mb": 900})["Body"])
    assert body["errorMessage"].endswith("Runtime exited with error: signal: killed")
    boxed.delete(name)
