"""What every deployment does, on every sandbox it can use: one suite, so that a comparison compares like with like."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.errors import DeploymentError, HandlerError, InvocationError, InvocationTimeout
from workbench.instance import InstanceState
from workbench.samples import sample
from workbench.service import Resources, Service

COMBINATIONS = [
    pytest.param(("fake", "fake"), id="fake"),
    pytest.param(("vm", "process"), id="vm-process"),
    pytest.param(("container", "process"), id="container-process"),
    pytest.param(("container", "namespaces"), id="container-namespaces", marks=needs("namespaces")),
    pytest.param(("container", "docker"), id="container-docker", marks=needs("docker")),
    pytest.param(("container", "gvisor"), id="container-gvisor", marks=needs("gvisor")),
    pytest.param(("serverless", "process"), id="serverless-process"),
    pytest.param(("serverless", "namespaces"), id="serverless-namespaces", marks=needs("namespaces")),
    pytest.param(("serverless", "docker"), id="serverless-docker", marks=needs("docker")),
]

BOXED = pytest.mark.parametrize("combination", COMBINATIONS[1:], indirect=True)
"""Every deployment but the fake one, which runs in this very process."""

LONG_RUNNING = pytest.mark.parametrize("combination", COMBINATIONS[:6], indirect=True)
"""Those that load the service at once; a platform loads a function at its first call, so it cannot know before."""

HANDLER = """
import json, os, sys, time
from pathlib import Path
from helpers.deep import answer
import vendored
DATA = json.loads(Path(__file__).with_name("data.json").read_text())
CALLS = 0

def handler(event, context):
    global CALLS
    CALLS += 1
    what = event.get("do")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "raise":
        raise LookupError("asked to raise")
    if what == "exit":
        os._exit(3)
    if what == "print":
        print("printed", event["text"], flush=True)
    if what == "eat":
        keep = []
        for _ in range(event["megabytes"]):
            block = bytearray(2**20)
            block[::4096] = b"x" * 256
            keep.append(block)
    return {"answer": answer(), "vendored": vendored.VALUE, "data": DATA, "calls": CALLS, "pid": os.getpid(),
            "env": os.environ.get("COLOUR"), "memory": context.memory_limit_in_mb, "version": VERSION}
VERSION = 1
"""


@pytest.fixture
def write_service(tmp_path: Path) -> Callable[..., Service]:
    def write(text: str = HANDLER, name: str = "mine", **resources: int) -> Service:
        source = tmp_path / name
        (source / "helpers").mkdir(parents=True, exist_ok=True)
        (source / "helpers" / "__init__.py").write_text("")
        (source / "helpers" / "deep.py").write_text("def answer():\n    return 42\n")
        (source / "vendored").mkdir(exist_ok=True)
        (source / "vendored" / "__init__.py").write_text("VALUE = 'vendored'\n")
        (source / "data.json").write_text('{"key": [1, 2]}')
        (source / "main.py").write_text(text)
        limits = Resources(**{"memory_mb": 512, "timeout_s": 20, **resources})
        return Service.from_dir(source, "main.handler", resources=limits, environment={"COLOUR": "blue"})

    return write


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> tuple[str, str]:
    pattern, sandbox = request.param
    return pattern, sandbox


@pytest.fixture
def deployed(combination: tuple[str, str], write_service: Callable[..., Service]) -> Iterator[Deployment]:
    with deploy(write_service(), combination[0], sandbox=combination[1]) as deployment:
        yield deployment


def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def answer(deployment: Deployment, payload: dict[str, Any]) -> Any:
    """The answer, or None while there is no instance to give it."""
    try:
        return deployment.invoke(payload).payload
    except (DeploymentError, InvocationError):
        return None


def test_a_service_with_modules_data_and_environment_answers(deployed: Deployment) -> None:
    result = deployed.invoke({})
    assert {k: result.payload[k] for k in ("answer", "vendored", "data")} == {
        "answer": 42,
        "vendored": "vendored",
        "data": {"key": [1, 2]},
    }
    if deployed.pattern != "fake":
        assert result.payload["env"] == "blue"
    assert int(result.payload["memory"]) == 512
    assert result.latency_ms > 0
    assert result.instance_id in {i.instance_id for i in deployed.instances()}


def test_warm_calls_stay_on_an_instance_and_a_cold_one_is_new(deployed: Deployment) -> None:
    deployed.invoke({})
    warm = deployed.invoke({})
    assert not warm.cold
    cold = deployed.invoke_cold({})
    assert cold.cold
    assert cold.instance_id != warm.instance_id
    assert cold.payload["calls"] == 1
    phases = (cold.phases.sandbox_ms, cold.phases.runtime_init_ms, cold.phases.function_init_ms, cold.phases.handler_ms)
    assert all(p is not None and p >= 0 for p in phases)
    assert sum(p or 0 for p in phases) <= cold.latency_ms * 1.01
    until(lambda: [i.instance_id for i in deployed.instances()] == [cold.instance_id])


def test_calls_at_the_same_time_are_all_answered(deployed: Deployment) -> None:
    with ThreadPoolExecutor(6) as threads:
        calls = [threads.submit(deployed.invoke, {"do": "sleep", "seconds": 0.3}) for _ in range(6)]
        assert [call.result().payload["answer"] for call in calls] == [42] * 6


def test_a_handler_that_raises_is_named_with_its_file_and_line(deployed: Deployment) -> None:
    with pytest.raises(HandlerError, match="asked to raise") as caught:
        deployed.invoke({"do": "raise"})
    assert caught.value.error_type == "LookupError"
    line = HANDLER.splitlines().index('        raise LookupError("asked to raise")') + 1
    assert any("main.py" in text and f"line {line}" in text for text in caught.value.stack_trace)
    assert deployed.invoke({}).payload["answer"] == 42


def test_a_module_that_does_not_load_is_named(
    combination: tuple[str, str], write_service: Callable[..., Service]
) -> None:
    broken = write_service("import absent_module\n\ndef handler(event, context):\n    return 1\n")
    with (
        pytest.raises(HandlerError, match="absent_module"),
        deploy(broken, combination[0], sandbox=combination[1]) as deployment,
    ):
        deployment.invoke({})


def test_a_missing_handler_is_named(combination: tuple[str, str], write_service: Callable[..., Service]) -> None:
    broken = write_service("def other(event, context):\n    return 1\n")
    with (
        pytest.raises(HandlerError, match="handler"),
        deploy(broken, combination[0], sandbox=combination[1]) as deployment,
    ):
        deployment.invoke({})


def test_an_instance_that_crashes_is_replaced(deployed: Deployment) -> None:
    before = deployed.invoke({}).instance_id
    deployed.kill_instance(before)
    until(lambda: answer(deployed, {}))
    after = deployed.invoke({}).instance_id
    assert after != before
    states = [e.state for e in deployed.events() if e.instance_id == before]
    until(lambda: [e.state for e in deployed.events() if e.instance_id == before][-1] is InstanceState.FAILED)
    assert states[0] is InstanceState.STARTING


@BOXED
def test_a_handler_that_ends_its_process_fails_that_call_alone(deployed: Deployment) -> None:
    with pytest.raises(InvocationError) as caught:
        deployed.invoke({"do": "exit"})
    assert not caught.value.definite  # it may have run, and did
    assert until(lambda: answer(deployed, {}))["answer"] == 42


def test_a_call_over_its_time_limit_ends(combination: tuple[str, str], write_service: Callable[..., Service]) -> None:
    with deploy(write_service(timeout_s=1), combination[0], sandbox=combination[1]) as deployment:
        with pytest.raises(InvocationTimeout):
            deployment.invoke({"do": "sleep", "seconds": 4 if deployment.pattern == "fake" else 30})
        assert until(lambda: answer(deployment, {}))["answer"] == 42


@BOXED
def test_memory_over_the_limit_ends_the_instance_and_no_more(
    combination: tuple[str, str], write_service: Callable[..., Service]
) -> None:
    with deploy(write_service(memory_mb=128), combination[0], sandbox=combination[1]) as deployment:
        with pytest.raises(InvocationError):
            deployment.invoke({"do": "eat", "megabytes": 400})
        assert until(lambda: answer(deployment, {}))["answer"] == 42


def test_scale_up_and_down(deployed: Deployment) -> None:
    deployed.scale(3)
    with ThreadPoolExecutor(6) as threads:
        calls = [threads.submit(deployed.invoke, {"do": "sleep", "seconds": 0.5}) for _ in range(3)]
        used = {call.result().instance_id for call in calls}
    assert len(used) == 3
    deployed.scale(1)
    if deployed.pattern != "serverless":  # there the number is a ceiling for what runs, not a command to stop
        until(lambda: len(deployed.instances()) == 1)
    assert deployed.invoke({}).payload["answer"] == 42


@LONG_RUNNING
def test_calls_one_after_the_other_go_round_the_instances(deployed: Deployment) -> None:
    deployed.scale(2)
    used = [deployed.invoke({}).instance_id for _ in range(6)]
    assert used[:2] * 3 == used
    assert len(set(used)) == 2


def test_update_brings_the_new_version(deployed: Deployment, write_service: Callable[..., Service]) -> None:
    assert deployed.invoke({}).payload["version"] == 1
    deployed.update(write_service(HANDLER.replace("VERSION = 1", "VERSION = 2")))
    assert deployed.invoke({}).payload["version"] == 2


@LONG_RUNNING
def test_an_update_that_does_not_load_leaves_the_old_version(
    deployed: Deployment, write_service: Callable[..., Service]
) -> None:
    with pytest.raises(HandlerError, match="absent_module"):
        deployed.update(write_service("import absent_module\n"))
    assert deployed.invoke({}).payload["version"] == 1


@BOXED
def test_logs_hold_what_the_handler_printed(deployed: Deployment) -> None:
    instance = deployed.invoke({"do": "print", "text": "marker-17"}).instance_id
    until(lambda: "printed marker-17" in deployed.logs(instance))


@BOXED
def test_usage_is_accounted(deployed: Deployment) -> None:
    instance = deployed.invoke({}).instance_id
    view = next(i for i in deployed.instances() if i.instance_id == instance)
    assert view.cpu_s is not None
    assert view.cpu_s > 0
    assert view.peak_memory_bytes is not None
    assert 8 * 2**20 < view.peak_memory_bytes < 512 * 2**20  # an interpreter alone has more than 8 MB resident


def test_a_load_generators_request_invokes(deployed: Deployment) -> None:
    if deployed.pattern == "fake":
        with pytest.raises(DeploymentError):
            deployed.targets({})
        return
    deployed.invoke({})
    target = deployed.targets({"do": "none"})[0]
    request = urllib.request.Request(target.url, target.body, dict(target.headers), method=target.method)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["X-Workbench-Instance"]
        assert json.load(response)["answer"] == 42


def test_a_neighbour_is_another_service_beside_it(deployed: Deployment) -> None:
    with deployed.beside(sample("hashing", Resources(256, 20))) as neighbour:
        assert neighbour.invoke({"rounds": 1}).payload["rounds"] == 1
        assert deployed.invoke({}).payload["answer"] == 42
        assert neighbour.pattern == deployed.pattern
    assert deployed.invoke({}).payload["answer"] == 42


def test_closing_twice_is_fine_and_a_closed_deployment_says_so(deployed: Deployment) -> None:
    deployed.invoke({})
    deployed.close()
    deployed.close()
    with pytest.raises((DeploymentError, InvocationError)):
        deployed.invoke({})


def test_unknown_sandbox_and_pattern_list_the_choices() -> None:
    with pytest.raises(DeploymentError, match="process"):
        deploy(sample("pricing"), "vm", sandbox="paper")
    with pytest.raises(DeploymentError, match="serverless"):
        deploy(sample("pricing"), "cloud")


@LONG_RUNNING
def test_closing_while_an_instance_is_being_replaced_leaves_nothing(deployed: Deployment) -> None:
    for view in deployed.instances():
        deployed.kill_instance(view.instance_id)
    deployed.close()
    assert deployed.instances() == ()
    last = {event.instance_id: event.state for event in deployed.events()}
    assert set(last.values()) <= {InstanceState.STOPPED, InstanceState.FAILED}
