"""The request's way to a Swarm's instances, with a made-up engine and a server of the test's own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.deployments.swarm_instances import Instances, Unanswered
from workbench.errors import DeploymentError, InvocationError
from workbench.instance import InstanceState
from workbench.isolation.engine.docker_tasks import Task
from workbench.service import Service


class Engine:
    """What `Instances` asks of `docker_service.SwarmService`."""

    name = "web"

    def __init__(self) -> None:
        self.found: dict[str, Task] = {}

    def has(self, name: str, state: str = "running", **more: Any) -> None:
        self.found[name] = Task(**{"name": name, "state": state, "told_to_end": False, "container": name, **more})

    def change(self, name: str, **more: Any) -> None:
        self.found[name] = replace(self.found[name], **more)

    def tasks(self) -> list[Task]:
        return list(self.found.values())

    def ending(self, task: Task, memory_mb: int) -> str:
        return f"crashed: exited with code {task.exit_code}"


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def instances(engine: Engine) -> Instances:
    return Instances(engine)  # type: ignore[arg-type]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    return Service.from_dir(tmp_path)


@contextlib.contextmanager
def hanging_up(engine: Engine, **how: Any) -> Iterator[str]:
    """An address whose server reads a request, tells the engine how it ended, and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                engine.change("a", **how)

        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.join()


def chosen(instances: Instances) -> str:
    with instances.lease("web") as one:
        return one.id


def test_requests_go_round_those_that_are_ready_and_to_the_least_busy(engine: Engine, instances: Instances) -> None:
    engine.has("a", address="http://a")
    engine.has("b", address="http://b")
    engine.has("c", "starting")
    engine.has("d", address="http://d", told_to_end=True)
    instances.look()
    assert [chosen(instances) for _ in range(4)] == ["a", "b", "a", "b"]
    with instances.lease("web") as busy:
        assert {chosen(instances) for _ in range(3)} == {"a", "b"} - {busy.id}


def test_without_one_that_is_ready_the_error_says_what_to_do(engine: Engine, instances: Instances) -> None:
    engine.has("a", "starting")
    instances.look()
    with pytest.raises(DeploymentError, match="scale"), instances.lease("web"):
        pass


def test_new_ones_are_kept_for_a_cold_call(engine: Engine, instances: Instances) -> None:
    engine.has("a", address="http://a")
    instances.look()
    instances.hold_new = True
    engine.has("b", address="http://b")
    instances.look()
    assert [one.id for one in instances.ready()] == ["a"]


def test_what_failed_before_it_was_ready_is_told_from_what_served(engine: Engine, instances: Instances) -> None:
    engine.has("served", address="http://a")
    engine.has("old", "failed", exit_code=1)
    instances.look()
    engine.change("served", state="failed", exit_code=1)
    engine.has("new", "starting")
    instances.look()
    assert instances.failed_start({"old"}) is None
    engine.change("new", state="failed", exit_code=3)
    instances.look()
    failed = instances.failed_start({"old"})
    assert failed is not None
    assert (failed.id, failed.ended) == ("new", "crashed: exited with code 3")


def test_what_the_engine_forgets_has_ended(engine: Engine, instances: Instances) -> None:
    engine.has("a", address="http://a")
    instances.look()
    engine.found.clear()
    assert instances.look() == []
    states = [event.state for event in instances.history.events()]
    assert states == [InstanceState.STARTING, InstanceState.IDLE, InstanceState.STOPPING, InstanceState.STOPPED]


def test_a_request_that_was_not_begun_may_go_to_another(engine: Engine, instances: Instances, service: Service) -> None:
    with hanging_up(engine, state="shutdown", told_to_end=True, exit_code=0) as address:
        engine.has("a", address=address)
        instances.look()
        with pytest.raises(Unanswered):
            instances.call(instances.find("a"), service, {}, 0.0, cold=False)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"state": "shutdown", "told_to_end": True, "exit_code": 137}, "was stopped"),
        ({"state": "failed", "exit_code": 0}, "crashed: exited with code 0"),  # the handler may have ended it
    ],
)
def test_a_request_that_may_have_been_begun_is_not_repeated(
    engine: Engine, instances: Instances, service: Service, how: dict[str, Any], said: str
) -> None:
    with hanging_up(engine, **how) as address:
        engine.has("a", address=address)
        instances.look()
        with pytest.raises(InvocationError, match=f"{said} before it answered") as caught:
            instances.call(instances.find("a"), service, {}, 0.0, cold=False)
    assert not isinstance(caught.value, Unanswered)
    assert not caught.value.definite


def test_a_host_of_the_services_own_image_promises_nothing(
    engine: Engine, instances: Instances, service: Service
) -> None:
    (service.source / "Dockerfile").write_text("FROM scratch\n")
    with hanging_up(engine, state="shutdown", told_to_end=True, exit_code=0) as address:
        engine.has("a", address=address)
        instances.look()
        with pytest.raises(InvocationError, match="may have run") as caught:
            instances.call(instances.find("a"), service, {}, 0.0, cold=False)
    assert not caught.value.definite


def test_a_refused_connection_is_another_instances_turn(engine: Engine, instances: Instances, service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    engine.has("a", address=address)
    instances.look()
    with pytest.raises(Unanswered) as caught:
        instances.call(instances.find("a"), service, {}, 0.0, cold=False)
    assert caught.value.definite
