"""How many requests an instance handles at a time: the knob of containers and VM-style processes, really kept to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from workbench.deployments import deploy
from workbench.deployments.replicas import Replicas
from workbench.errors import DeploymentError
from workbench.samples import sample
from workbench.service import Service

HANDLER = """
import threading, time

lock, inside, most = threading.Lock(), 0, 0


def handler(event, context):
    global inside, most
    if event.get("rawPath") == "/well":
        return {"statusCode": 200, "body": "ok"}
    with lock:
        inside += 1
        most = max(most, inside)
    time.sleep(event.get("hold_s", 0))
    with lock:
        inside -= 1
    return most
"""


@pytest.fixture
def counting(tmp_path: Path) -> Service:
    """A service that answers how many of its requests were in the handler at the same time."""
    (tmp_path / "app.py").write_text(HANDLER)
    return Service.from_dir(tmp_path, "app.handler", name="counting", health_path="/well")


def most_at_once(deployment: object, calls: int) -> int:
    assert isinstance(deployment, Replicas)
    with ThreadPoolExecutor(calls) as callers:
        answers = list(callers.map(deployment.invoke, [{"hold_s": 0.1}] * calls))
    return max(answer.payload for answer in answers)


@pytest.mark.parametrize("pattern", ["vm", "container"])
def test_an_instance_handles_so_many_at_a_time_and_no_more(counting: Service, pattern: str) -> None:
    with deploy(counting, pattern, sandbox="process", concurrency=2) as deployment:
        assert most_at_once(deployment, 8) == 2
        with deployment.beside(counting) as neighbour:
            assert most_at_once(neighbour, 4) == 2
        deployment.update(counting)
        assert most_at_once(deployment, 4) == 2


def test_without_a_number_as_many_as_come(counting: Service) -> None:
    with deploy(counting, "vm") as deployment:
        assert most_at_once(deployment, 6) > 2


def test_a_health_check_does_not_wait_in_line(counting: Service) -> None:
    with deploy(counting, "vm", concurrency=1) as deployment, ThreadPoolExecutor(1) as caller:
        held = caller.submit(deployment.invoke, {"hold_s": 2})
        while not any(view.state == "busy" for view in deployment.instances()):
            pass
        for path in ("/well", "/_workbench/health"):
            with urlopen(deployment.endpoint + path, timeout=10) as answer:
                assert answer.status == 200
        assert not held.done()
        assert held.result().payload == 1


@pytest.mark.parametrize("concurrency", [0, -1, 65, True, 1.5, "2"])
def test_a_number_that_makes_no_sense_is_refused(counting: Service, concurrency: int) -> None:
    with pytest.raises(DeploymentError, match="from 1 to 64"):
        deploy(counting, "vm", concurrency=concurrency)


def test_who_cannot_keep_to_it_says_so(counting: Service) -> None:
    with pytest.raises(DeploymentError, match="one request at a time"):
        deploy(counting, "serverless", concurrency=2)
    with pytest.raises(DeploymentError, match="nodejs"):
        deploy(sample("pricing_node"), "vm", concurrency=2)
    with pytest.raises(DeploymentError, match="swarm"):
        deploy(counting, "container", sandbox="swarm", concurrency=2)
    with pytest.raises(DeploymentError, match="until somebody ends them"):
        deploy(counting, "vm", idle_expiry_s=2)
