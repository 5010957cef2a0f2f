"""What the engine says of a Swarm's tasks, in this project's words; no engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.deployments.swarm import load_error
from workbench.instance import TRANSITIONS, InstanceState
from workbench.isolation.engine import docker_service
from workbench.isolation.engine.docker_tasks import Task, ending, moves, task
from workbench.service import Resources, Service

S = InstanceState


def told(state: str, desired: str = "running", code: int = 0, **more: Any) -> Task:
    status = {"State": state, "ContainerStatus": {"ContainerID": "c", "PID": 7, "ExitCode": code}, **more}
    return task("web", {"ID": "x", "Slot": 2, "Status": status, "DesiredState": desired}, 8080)


@pytest.mark.parametrize(
    ("state", "desired", "expected"),
    [
        ("new", "running", S.STARTING),
        ("ready", "ready", S.STARTING),
        ("starting", "running", S.STARTING),
        ("running", "running", S.IDLE),
        ("running", "shutdown", S.STOPPING),
        ("running", "remove", S.STOPPING),
        ("shutdown", "shutdown", S.STOPPED),
        ("failed", "shutdown", S.FAILED),  # how the engine marks what crashed, once it has a new one
        ("complete", "shutdown", S.FAILED),
        ("rejected", "running", S.FAILED),
    ],
)
def test_states_of_tasks(state: str, desired: str, expected: InstanceState) -> None:
    assert told(state, desired).instance_state is expected


def test_a_task_has_the_name_of_its_container_and_the_port_that_was_asked_for() -> None:
    ports = [{"TargetPort": 9, "PublishedPort": 1}, {"TargetPort": 8080, "PublishedPort": 2}]
    found = told("running", PortStatus={"Ports": ports})
    assert (found.name, found.address) == ("web.2.x", "http://127.0.0.1:2")
    assert found.exit_code is None  # it lives, though the engine says 0
    assert told("running").address == ""
    assert task("web", {"ID": "y"}, 8080).instance_state is S.STARTING


def test_only_an_end_in_good_order_leaves_nothing_open() -> None:
    assert told("shutdown", "shutdown", 0).answered_all
    assert not told("shutdown", "shutdown", 137).answered_all
    assert not told("complete", "shutdown", 0).answered_all  # the handler may have ended it
    assert not told("running", "shutdown", 0).answered_all


@pytest.mark.parametrize("before", [None, *S])
@pytest.mark.parametrize("now", list(S))
def test_moves_are_legal_whatever_was_missed(before: InstanceState | None, now: InstanceState) -> None:
    at = before
    for state in moves(before, now):
        assert state in (TRANSITIONS[at] if at is not None else {S.STARTING})
        at = state
    if now in (S.STOPPED, S.FAILED) and (before is None or TRANSITIONS[before]):
        assert at is now  # an end is never lost


def test_old_news_moves_nothing() -> None:
    assert moves(S.STOPPING, S.IDLE) == ()
    assert moves(S.FAILED, S.STARTING) == ()


def test_endings_are_said_as_other_deployments_say_them() -> None:
    def phrase(found: Task, *, oom: bool = False) -> str:
        return ending(found, oom_killed=oom, memory_mb=128)

    assert phrase(told("failed", "shutdown", 3)) == "crashed: exited with code 3"
    assert phrase(told("failed", "shutdown", 137)) == "crashed: ended by signal SIGKILL"
    assert "memory limit of 128 MB" in phrase(told("failed", "shutdown", 137), oom=True)
    unhealthy = told("failed", "shutdown", 137, Err="task: non-zero exit (137): dockerexec: unhealthy container")
    assert "did not answer its health check" in phrase(unhealthy)
    assert phrase(told("shutdown", "shutdown", 0)) == "was stopped"
    assert "no such image" in phrase(
        task("web", {"ID": "x", "Status": {"State": "rejected", "Err": "no such image"}}, 1)
    )


def test_a_module_that_does_not_load_is_found_in_what_it_printed() -> None:
    printed = "before\n[ERROR] Runtime.ImportModuleError: Unable to import module 'app'\n  File \"app.py\", line 1\n"
    error = load_error(printed)
    assert error is not None
    assert (error.error_type, error.error_message) == ("Runtime.ImportModuleError", "Unable to import module 'app'")
    assert error.stack_trace == ('  File "app.py", line 1\n',)
    assert load_error("it crashed\n") is None


def test_what_a_service_says_is_no_template() -> None:
    assert docker_service.escaped("a{{b}}") == 'a{{"{{"}}b}}'
    service = Service("s", Path(), "app.handler", resources=Resources(memory_mb=1769))
    made = docker_service.description("sha256:0", service, {"COLOUR": "{{.Node.ID}}"}, Path())
    template = made.task_template("node", "network")
    environment = template["ContainerSpec"]["Env"]
    assert 'COLOUR={{"{{"}}.Node.ID}}' in environment
    assert "WORKBENCH_INSTANCE={{.Task.Name}}" in environment
    assert template["Resources"]["Limits"] == {"NanoCPUs": 10**9, "MemoryBytes": 1769 * 2**20, "Pids": 256}


def test_health_checks_take_no_more_of_a_small_instance_than_they_must() -> None:
    assert docker_service.check_every_s(4) == 0.5
    assert 0.5 < docker_service.check_every_s(0.3) <= docker_service.check_every_s(0.2) <= 2.0
    assert docker_service.check_every_s(0.07) == 2.0
