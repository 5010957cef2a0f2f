"""What every deployment does, on every sandbox it can use: one suite, so that a comparison compares like with like.

Tests that leave a deployment as they found it share one for each combination (`shared`); the others get their own
(`deployed`). What a combination lacks, and why, stands beside it in COMBINATIONS. Long, as it is one list of promises
that is read as a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.functional.deployments.relay import Relay
from tests.needs import needs
from workbench import isolation
from workbench.deployment import Deployment
from workbench.deployments import deploy, health
from workbench.errors import DeploymentError, HandlerError, InvocationError, InvocationTimeout
from workbench.instance import InstanceState
from workbench.isolation.engine import docker_engine, docker_service
from workbench.samples import sample
from workbench.service import Resources, Service


@dataclass(frozen=True)
class Combination:
    """A deployment on a sandbox, the parts of the machine it needs, and which of FEATURES it lacks, with the reason."""

    pattern: str
    sandbox: str
    parts: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)

    def deploy(self, service: Service) -> Deployment:
        return deploy(service, self.pattern, sandbox=self.sandbox)

    def says(self, text: str) -> str | None:
        """What an error says of an instance's end, where there is a number of instances to be kept."""
        return None if "counted" in self.lacks else text


FEATURES = {
    "box": "an instance is something of its own: it can crash, hang, be limited, be accounted for, and prints",
    "loads at once": "an instance is started, and its service loaded, when asked for, not when first called",
    "counted": "the number of instances is the one asked for",
    "engine": "instances are held by an engine that may die, and end with their owner",
    "phases": "it is seen where the time of a cold start goes",
}

IN_THIS_PROCESS = {
    "box": "it is threads of this very process, which must not end",
    "engine": "there is none",
}
ON_DEMAND = {
    "loads at once": "the platform loads a function at its first call, so it cannot know before",
    "counted": "the number is a limit to what runs at once, not a command to start or stop",
}
ORCHESTRATED = {
    "engine": "the engine keeps them, whoever of us lives; `workbench clean` removes what a killed owner left",
    "phases": "nothing of ours stands beside an instance that could see it",
}
NO_ENGINE = {"engine": "nothing holds its instances but this session"}

COMBINATIONS = [
    Combination("fake", "fake", lacks=IN_THIS_PROCESS),
    Combination("vm", "process", lacks=NO_ENGINE),
    Combination("vm", "qemu-snapshot", ("qemu",), lacks=NO_ENGINE),
    Combination("container", "process", lacks=NO_ENGINE),
    Combination("container", "namespaces", ("namespaces",), lacks=NO_ENGINE),
    Combination("container", "docker", ("docker",)),
    Combination("container", "swarm", ("docker",), lacks=ORCHESTRATED),
    Combination("container", "gvisor", ("gvisor",)),
    Combination("serverless", "process", lacks=ON_DEMAND | NO_ENGINE),
    Combination("serverless", "namespaces", ("namespaces",), lacks=ON_DEMAND | NO_ENGINE),
    Combination("serverless", "docker", ("docker",), lacks=ON_DEMAND),
]
if os.environ.get("WORKBENCH_BOOTED"):  # the deployment above without its snapshot: minutes more, so only when asked
    COMBINATIONS.append(Combination("vm", "qemu", ("qemu",), lacks=NO_ENGINE))


def having(*features: str) -> pytest.MarkDecorator:
    """Run a test for the combinations that lack none of these features."""
    assert set(features) <= set(FEATURES)
    return pytest.mark.parametrize(
        "combination",
        [
            pytest.param(c, id=f"{c.pattern}-{c.sandbox}", marks=[needs(*c.parts)] if c.parts else [])
            for c in COMBINATIONS
            if not set(features) & set(c.lacks)
        ],
        indirect=True,
        scope="module",
    )


EVERY = having()

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
    if what == "hang":
        import ctypes
        ctypes.PyDLL(None).sleep(600)  # in C, without letting another thread run
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


def written(place: Path, text: str = HANDLER, name: str = "mine", **resources: int) -> Service:
    source = place / name
    (source / "helpers").mkdir(parents=True, exist_ok=True)
    (source / "helpers" / "__init__.py").write_text("")
    (source / "helpers" / "deep.py").write_text("def answer():\n    return 42\n")
    (source / "vendored").mkdir(exist_ok=True)
    (source / "vendored" / "__init__.py").write_text("VALUE = 'vendored'\n")
    (source / "data.json").write_text('{"key": [1, 2]}')
    (source / "main.py").write_text(text)
    limits = Resources(**{"memory_mb": 512, "timeout_s": 20, **resources})
    return Service.from_dir(source, "main.handler", resources=limits, environment={"COLOUR": "blue"})


class _Kept:
    """Snapshots that outlive their deployment: one boot for all tests of a version of a service, not one for each."""

    def __init__(self) -> None:
        self.snapshots = isolation.snapshots()
        self.launch = self.snapshots.launch

    def close(self) -> None:
        """Not yet."""


@pytest.fixture(scope="module", autouse=True)
def _snapshots_are_shared() -> Iterator[None]:
    kept = _Kept()
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(kept.snapshots):
        patch.setattr(isolation, "snapshots", lambda: kept)
        yield


@pytest.fixture
def write_service(tmp_path: Path) -> Callable[..., Service]:
    def write(text: str = HANDLER, **resources: int) -> Service:
        return written(tmp_path, text, **resources)

    return write


@pytest.fixture(scope="module")
def combination(request: pytest.FixtureRequest) -> Combination:
    made: Combination = request.param
    return made


@pytest.fixture(scope="module")
def of_the_module(combination: Combination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with combination.deploy(written(tmp_path_factory.mktemp("shared"))) as deployment:
        yield deployment


@pytest.fixture
def shared(of_the_module: Deployment) -> Deployment:
    """A deployment that other tests have used, and that answers."""
    until(lambda: answer(of_the_module, {}))
    return of_the_module


@pytest.fixture
def deployed(combination: Combination, write_service: Callable[..., Service]) -> Iterator[Deployment]:
    """A deployment of the test's own."""
    with combination.deploy(write_service()) as deployment:
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


@EVERY
def test_a_service_with_modules_data_and_environment_answers(shared: Deployment) -> None:
    result = shared.invoke({})
    assert {k: result.payload[k] for k in ("answer", "vendored", "data")} == {
        "answer": 42,
        "vendored": "vendored",
        "data": {"key": [1, 2]},
    }
    if shared.pattern != "fake":
        assert result.payload["env"] == "blue"
    assert int(result.payload["memory"]) == 512
    assert result.latency_ms > 0
    assert result.instance_id in {i.instance_id for i in shared.instances()}


@EVERY
def test_warm_calls_stay_on_an_instance_and_a_cold_one_is_new(combination: Combination, shared: Deployment) -> None:
    shared.invoke({})
    warm = shared.invoke({})
    assert not warm.cold
    cold = shared.invoke_cold({})
    assert cold.cold
    assert cold.instance_id != warm.instance_id
    assert cold.payload["calls"] == 1
    phases = (cold.phases.sandbox_ms, cold.phases.runtime_init_ms, cold.phases.function_init_ms, cold.phases.handler_ms)
    assert all((p is not None or "phases" in combination.lacks) and (p or 0) >= 0 for p in phases)
    assert sum(p or 0 for p in phases) <= cold.latency_ms * 1.01
    until(lambda: [i.instance_id for i in shared.instances()] == [cold.instance_id])


@EVERY
def test_calls_at_the_same_time_are_all_answered(shared: Deployment) -> None:
    with ThreadPoolExecutor(6) as threads:
        calls = [threads.submit(shared.invoke, {"do": "sleep", "seconds": 0.3}) for _ in range(6)]
        assert [call.result().payload["answer"] for call in calls] == [42] * 6


@EVERY
def test_a_handler_that_raises_is_named_with_its_file_and_line(shared: Deployment) -> None:
    with pytest.raises(HandlerError, match="asked to raise") as caught:
        shared.invoke({"do": "raise"})
    assert caught.value.error_type == "LookupError"
    line = HANDLER.splitlines().index('        raise LookupError("asked to raise")') + 1
    assert any("main.py" in text and f"line {line}" in text for text in caught.value.stack_trace)
    assert shared.invoke({}).payload["answer"] == 42


@EVERY
def test_a_module_that_does_not_load_is_named(combination: Combination, write_service: Callable[..., Service]) -> None:
    broken = write_service("import absent_module\n\ndef handler(event, context):\n    return 1\n")
    with (
        pytest.raises(HandlerError, match="absent_module"),
        combination.deploy(broken) as deployment,
    ):
        deployment.invoke({})


@EVERY
def test_a_missing_handler_is_named(combination: Combination, write_service: Callable[..., Service]) -> None:
    broken = write_service("def other(event, context):\n    return 1\n")
    with (
        pytest.raises(HandlerError, match="handler"),
        combination.deploy(broken) as deployment,
    ):
        deployment.invoke({})


@EVERY
def test_an_instance_that_crashes_is_replaced(deployed: Deployment) -> None:
    before = deployed.invoke({}).instance_id
    deployed.kill_instance(before)
    until(lambda: answer(deployed, {}))
    after = deployed.invoke({}).instance_id
    assert after != before
    states = [e.state for e in deployed.events() if e.instance_id == before]
    until(lambda: [e.state for e in deployed.events() if e.instance_id == before][-1] is InstanceState.FAILED)
    assert states[0] is InstanceState.STARTING


@having("box")
def test_a_handler_that_ends_its_process_fails_that_call_alone(combination: Combination, shared: Deployment) -> None:
    with pytest.raises(InvocationError, match=combination.says("crashed: exited with code 3")) as caught:
        shared.invoke({"do": "exit"})
    assert not caught.value.definite  # it may have run, and did
    assert until(lambda: answer(shared, {}))["answer"] == 42


@EVERY
def test_a_call_over_its_time_limit_ends(combination: Combination, write_service: Callable[..., Service]) -> None:
    with combination.deploy(write_service(timeout_s=1)) as deployment:
        with pytest.raises(InvocationTimeout):
            deployment.invoke({"do": "sleep", "seconds": 4 if deployment.pattern == "fake" else 30})
        assert until(lambda: answer(deployment, {}))["answer"] == 42


@having("box")
def test_an_instance_that_hangs_is_replaced(
    combination: Combination, write_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.1)
    monkeypatch.setattr(health, "WITHIN_S", 2.0 if "qemu" in combination.parts else 0.5)  # emulated, it takes longer
    monkeypatch.setattr(docker_service, "CHECK_WITHIN_S", 0.5)
    monkeypatch.setattr(docker_service, "UNHEALTHY_AFTER", 1)
    monkeypatch.setattr(docker_service, "STOP_GRACE_S", 1)  # it hears of no signal
    # The platform ends what takes too long, so it asks nobody for their health; the others end what does not answer.
    kind = InvocationTimeout if combination.pattern == "serverless" else InvocationError
    with combination.deploy(write_service(timeout_s=1 if kind is InvocationTimeout else 60)) as deployment:
        hung = deployment.invoke({}).instance_id
        with pytest.raises(kind, match=combination.says("did not answer its health check")) as caught:
            deployment.invoke({"do": "hang"})
        assert not caught.value.definite
        assert until(lambda: answer(deployment, {}))["answer"] == 42
        assert hung not in {i.instance_id for i in deployment.instances()}


@having("box")
def test_memory_over_the_limit_ends_the_instance_and_no_more(
    combination: Combination, write_service: Callable[..., Service]
) -> None:
    with combination.deploy(write_service(memory_mb=128)) as deployment:
        with pytest.raises(InvocationError, match=combination.says("memory limit of 128 MB")):
            deployment.invoke({"do": "eat", "megabytes": 400})
        assert until(lambda: answer(deployment, {}))["answer"] == 42


@EVERY
def test_scale_up_and_down(combination: Combination, deployed: Deployment) -> None:
    deployed.scale(3)
    with ThreadPoolExecutor(6) as threads:
        calls = [threads.submit(deployed.invoke, {"do": "sleep", "seconds": 0.5}) for _ in range(3)]
        used = {call.result().instance_id for call in calls}
    assert len(used) == 3
    deployed.scale(1)
    assert deployed.invoke({}).payload["answer"] == 42
    if "counted" in combination.lacks:
        return
    assert len(deployed.instances()) == 1
    deployed.scale(0)
    assert deployed.instances() == ()
    with pytest.raises(DeploymentError, match="scale"):
        deployed.invoke({})
    deployed.scale(1)
    assert deployed.invoke({}).payload["answer"] == 42


@having("loads at once")
def test_calls_one_after_the_other_go_round_the_instances(deployed: Deployment) -> None:
    deployed.scale(2)
    used = [deployed.invoke({}).instance_id for _ in range(6)]
    assert used[:2] * 3 == used
    assert len(set(used)) == 2


@EVERY
def test_update_brings_the_new_version_and_fails_nobody(
    deployed: Deployment, write_service: Callable[..., Service]
) -> None:
    deployed.scale(2)
    assert deployed.invoke({}).payload["version"] == 1
    updated, versions = threading.Event(), list[int]()

    def call() -> None:
        while not updated.is_set():
            versions.append(deployed.invoke({}).payload["version"])

    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(call)
        try:
            until(lambda: versions)  # somebody is being served when it begins
            deployed.update(write_service(HANDLER.replace("VERSION = 1", "VERSION = 2")))
        finally:
            updated.set()
        calling.result()
    assert versions[0] == 1
    assert [deployed.invoke({}).payload["version"] for _ in range(4)] == [2] * 4


@having("loads at once")
def test_an_update_that_does_not_load_leaves_the_old_version(
    deployed: Deployment, write_service: Callable[..., Service]
) -> None:
    with pytest.raises(HandlerError, match="absent_module"):
        deployed.update(write_service("import absent_module\n"))
    assert deployed.invoke({}).payload["version"] == 1


@having("box")
def test_logs_hold_what_the_handler_printed(shared: Deployment) -> None:
    instance = shared.invoke({"do": "print", "text": "marker-17"}).instance_id
    until(lambda: "printed marker-17" in shared.logs(instance))


@having("box")
def test_usage_is_accounted(shared: Deployment) -> None:
    instance = shared.invoke({}).instance_id
    view = next(i for i in shared.instances() if i.instance_id == instance)
    assert view.cpu_s is not None
    assert view.cpu_s > 0
    assert view.peak_memory_bytes is not None
    assert 8 * 2**20 < view.peak_memory_bytes < 512 * 2**20  # an interpreter alone has more than 8 MB resident


@EVERY
def test_a_load_generators_request_invokes(shared: Deployment) -> None:
    if shared.pattern == "fake":
        with pytest.raises(DeploymentError):
            shared.targets({})
        return
    shared.invoke({})
    target = shared.targets({"do": "none"})[0]
    request = urllib.request.Request(target.url, target.body, dict(target.headers), method=target.method)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["X-Workbench-Instance"]
        assert json.load(response)["answer"] == 42


@EVERY
def test_a_neighbour_is_another_service_beside_it(shared: Deployment) -> None:
    with shared.beside(sample("hashing", Resources(256, 20))) as neighbour:
        assert neighbour.invoke({"rounds": 1}).payload["rounds"] == 1
        assert shared.invoke({}).payload["answer"] == 42
        assert neighbour.pattern == shared.pattern
    assert shared.invoke({}).payload["answer"] == 42


@EVERY
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


@having("loads at once")
def test_closing_while_an_instance_is_being_replaced_leaves_nothing(deployed: Deployment) -> None:
    for view in deployed.instances():
        deployed.kill_instance(view.instance_id)
    deployed.close()
    assert deployed.instances() == ()
    last = {event.instance_id: event.state for event in deployed.events()}
    assert set(last.values()) <= {InstanceState.STOPPED, InstanceState.FAILED}


@having("engine")
def test_closing_after_the_engine_died_ends_and_says_what_is_left(
    combination: Combination,
    write_service: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = docker_engine.client(os.getpid())
    socket_path = getattr(engine.api._custom_adapter, "socket_path", "")
    if not socket_path:
        pytest.skip("The engine is not reached through a Unix socket, before which a relay could be put.")
    relay = Relay(tmp_path / "engine.sock", socket_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine.sock'}")
    docker_engine.client.cache_clear()
    containers: list[Any] = []
    try:
        deployment = combination.deploy(write_service())
        deployment.invoke({})
        names = {i.instance_id for i in deployment.instances()}
        containers = [c for c in engine.containers.list(all=True, ignore_removed=True) if c.name in names]
        assert len(containers) == 1
        relay.die()
        # A platform, which is a process of its own, ends and leaves it to `workbench clean` to tell.
        told = pytest.raises(DeploymentError, match="Docker Engine")
        with contextlib.nullcontext() if "counted" in combination.lacks else told:
            deployment.close()
        deployment.close()
        with pytest.raises((DeploymentError, InvocationError)):
            deployment.invoke({})
        for container in containers:  # nobody had to tell it: its owner has let go of it
            # By its control channel's end (137), or by that of its output if it sees that first (1).
            assert _end_of(container) in (137, 1)
    finally:
        relay.die()
        docker_engine.client.cache_clear()
        for container in containers:  # and what else its owner could ask nobody to remove
            container.remove(force=True)
            for network in engine.networks.list(names=[container.name]):
                network.remove()
            if container.attrs["Config"]["Image"].startswith("workbench/service-"):
                engine.images.remove(container.attrs["Config"]["Image"])


def _end_of(container: Any) -> int:
    """The exit status of a container that ends by itself; of a frozen one, as an idle function is, once it thaws."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        container.reload()
        if container.status == "exited":
            return int(container.attrs["State"]["ExitCode"])
        if container.status == "paused":
            container.unpause()
        time.sleep(0.05)
    raise AssertionError(f"{container.name} has not ended, but is {container.status}")
