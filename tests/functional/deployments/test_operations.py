"""Long-running deployments in operation: updated and rolled back under load, healed, scaled by their load, drained.

Long, as all of it is asked of the same few services, which stand here once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from tests.needs import needs
from workbench.deployments import deploy, health, reservations
from workbench.deployments.hpa import Behaviour, Policy, Rules, Unit
from workbench.deployments.replicas import Replicas
from workbench.deployments.vm import VmDeployment
from workbench.errors import DeploymentError, HandlerError, InvocationError, WorkbenchError
from workbench.instance import InstanceState
from workbench.isolation import process
from workbench.sandbox import Launcher, Sandbox
from workbench.service import Resources, Service

SANDBOXES = [
    "process",
    pytest.param("namespaces", marks=needs("namespaces")),
    pytest.param("docker", marks=needs("docker")),
]
SERVING = (InstanceState.IDLE, InstanceState.BUSY)

HANDLER = """
import os, threading, time
asked = 0
if os.environ.get("CRASHES"):
    threading.Timer(float(os.environ["CRASHES"]), os._exit, [7]).start()
if os.environ.get("ONE_ALONE"):
    try:
        os.close(os.open(os.environ["ONE_ALONE"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        raise RuntimeError("another has come up before") from None
def handler(event, context):
    global asked
    if event.get("rawPath") == "/health":
        asked += 1
        return {"statusCode": 200 if asked >= int(os.environ.get("HEALTHY_AFTER", "1")) else 503}
    time.sleep(event.get("sleep", 0))
    for number in range(event.get("lines", 0)):
        print(f"{number:0100}")
    return {"version": os.environ.get("VERSION"), "pid": os.getpid(), "asked": asked}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    place = tmp_path_factory.mktemp("operated")
    (place / "app.py").write_text(HANDLER)
    limits = Resources(memory_mb=256, timeout_s=20)
    return Service.from_dir(place, resources=limits, environment={"VERSION": "1"}, health_path="/health")


def deployed(service: Service, sandbox: str, pattern: str = "container") -> Replicas:
    deployment = deploy(service, pattern, sandbox=sandbox)
    assert isinstance(deployment, Replicas)
    return deployment


def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


class Callers:
    """Threads that call a deployment all the while; what they got, and what failed."""

    def __init__(self, deployment: Replicas, payload: Any, number: int = 3) -> None:
        self.answers: list[Any] = []
        self.errors: list[WorkbenchError] = []
        self._deployment, self._payload = deployment, payload
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(number)]

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._deployment.invoke(self._payload).payload)
            except WorkbenchError as error:
                self.errors.append(error)

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        until(lambda: self.answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=SANDBOXES, scope="module")
def deployment(request: pytest.FixtureRequest, service: Service) -> Iterator[Replicas]:
    with deployed(service, request.param) as deployment:
        deployment.scale(3)
        yield deployment


def test_no_request_fails_while_it_is_updated(deployment: Replicas, service: Service) -> None:
    before = {i.instance_id for i in deployment.instances()}
    with Callers(deployment, {"sleep": 0.01}) as callers:
        deployment.update(service.with_environment(VERSION="2"), surge=2)
        after = len(callers.answers)
        until(lambda: len(callers.answers) > after + 10)
    assert callers.errors == []
    versions = [answer["version"] for answer in callers.answers]
    assert set(versions) == {"1", "2"}
    assert set(versions[after + 3 :]) == {"2"}
    assert len(deployment.instances()) == 3
    assert not before & {i.instance_id for i in deployment.instances()}
    assert fewest_serving(deployment, before) >= 3


def fewest_serving(deployment: Replicas, before: set[str]) -> int:
    """The fewest that served at any moment since those of `before` did."""
    serving, fewest = set(before), len(before)
    for event in deployment.events():
        if event.instance_id not in before and event.state is InstanceState.IDLE:
            serving.add(event.instance_id)
        elif event.state is InstanceState.STOPPING:
            serving.discard(event.instance_id)
            fewest = min(fewest, len(serving))
    return fewest


def test_a_version_that_is_not_healthy_is_rolled_back(deployment: Replicas, service: Service) -> None:
    version = deployment.invoke({}).payload["version"]
    before = {i.instance_id for i in deployment.instances()}
    with Callers(deployment, {"sleep": 0.01}) as callers:
        with pytest.raises(DeploymentError, match=r"rolled back; 3 instances(.|\n)*GET /health - status 503"):
            deployment.update(service.with_environment(VERSION="3", HEALTHY_AFTER="1000000"), within_s=0.5)
        after = len(callers.answers)
        until(lambda: len(callers.answers) > after + 10)
    assert callers.errors == []
    assert {answer["version"] for answer in callers.answers} == {version}
    assert {i.instance_id for i in deployment.instances()} == before
    assert deployment.service.environment["VERSION"] == version


def test_what_was_let_go_is_put_back_when_the_new_version_fails(deployment: Replicas, service: Service) -> None:
    version = deployment.invoke({}).payload["version"]
    with pytest.raises(DeploymentError, match="rolled back; 3 instances"):
        deployment.update(
            service.with_environment(VERSION="4", HEALTHY_AFTER="1000000"), surge=0, unavailable=2, within_s=0.3
        )
    assert [i.state for i in deployment.instances()] == [InstanceState.IDLE] * 3
    assert {deployment.invoke({}).payload["version"] for _ in range(6)} == {version}
    story = [event.detail for event in deployment.events()]
    assert "started by the update" in story
    assert "put back: the update failed" in story


def test_requests_sent_straight_to_an_instance_are_answered_before_it_goes(
    deployment: Replicas, service: Service
) -> None:
    targets = deployment.targets({"sleep": 0.7})
    began = threading.Barrier(len(targets) + 1)

    def send(url: str, body: bytes) -> Any:
        began.wait()
        with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=30) as answer:
            return json.load(answer)

    with ThreadPoolExecutor(len(targets)) as threads:
        calls = [threads.submit(send, target.url, target.body) for target in targets]
        began.wait()
        time.sleep(0.3)  # they are under way, and known to their instances alone
        deployment.scale(0)
        assert all(call.result()["pid"] for call in calls)
    assert deployment.instances() == ()
    deployment.scale(3)


def test_what_came_up_of_a_version_that_fails_later_is_removed(service: Service, tmp_path: Path) -> None:
    with deployed(service, "process") as deployment:
        deployment.scale(2)
        with Callers(deployment, {}) as callers:
            with pytest.raises(
                HandlerError, match=r"another has come up before \(.*rolled back; 2 instances"
            ) as caught:
                deployment.update(service.with_environment(VERSION="2", ONE_ALONE=str(tmp_path / "mark")))
            after = len(callers.answers)
            until(lambda: len(callers.answers) > after + 10)
        assert caught.value.error_type == "RuntimeError"
        assert callers.errors == []
        assert {answer["version"] for answer in callers.answers[after + 3 :]} == {"1"}
        assert "2" in {answer["version"] for answer in callers.answers}  # one did come up
        assert len(deployment.instances()) == 2


class Unaskable:
    """A sandbox that cannot be asked to end in good order, as one that is no process of this machine."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def __getattr__(self, name: str) -> Any:
        if name == "terminate":
            raise AttributeError(name)
        return getattr(self._box, name)


def test_what_is_called_is_answered_also_where_an_instance_cannot_be_asked_to_end(service: Service) -> None:
    launch = cast(Launcher, lambda spec: Unaskable(process.launch(spec)))
    with Replicas(service, "process", launch) as deployment, ThreadPoolExecutor(1) as threads:
        deployment.scale(1)
        call = threads.submit(deployment.invoke, {"sleep": 0.4})
        until(lambda: [i for i in deployment.instances() if i.state is InstanceState.BUSY])
        deployment.scale(0)
        assert call.result().payload["version"] == "1"


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.1)
    monkeypatch.setattr(health, "WITHIN_S", 0.3)


@pytest.mark.usefixtures("quick_checks")
def test_a_hung_instance_is_replaced_and_its_requests_say_so(service: Service) -> None:
    with deployed(service, "process", "vm") as deployment:
        deployment.scale(2)
        hung = deployment.invoke({})
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(deployment.invoke, {"sleep": 3}) for _ in range(2)]
            until(lambda: all(i.state is InstanceState.BUSY for i in deployment.instances()))
            os.kill(hung.payload["pid"], signal.SIGSTOP)
            failed = [call.exception() for call in calls if call.exception()]
        assert len(failed) == 1  # the other instance answered
        assert isinstance(failed[0], InvocationError)
        assert f"{hung.instance_id} was replaced because it did not answer its health check 3 times" in str(failed[0])
        assert not failed[0].definite
        until(lambda: len([i for i in deployment.instances() if i.state in SERVING]) == 2)
        report = deployment.supervision()
        assert (report.ended, report.restarts, report.survivors) == (1, 1, 1)
        assert "did not answer its health check" in deployment.logs(hung.instance_id)


def test_what_keeps_crashing_is_restarted_ever_more_rarely_until_it_is_not_wanted(service: Service) -> None:
    with deployed(service, "process", "vm") as deployment:
        deployment.update(service.with_environment(CRASHES="0.4"))
        until(lambda: deployment.supervision().ended >= 3)
        ends = [e for e in deployment.events() if e.state is InstanceState.FAILED]
        assert {e.detail for e in ends} == {"crashed: exited with code 7"}
        deployment.scale(0)
        until(lambda: not deployment.instances())
        count = len(deployment.events())
        time.sleep(1.2)  # longer than the pause it was in
        assert len(deployment.events()) == count
        starts = [e for e in deployment.events() if e.detail.startswith("in place of")]
        pauses = [
            start.at_s - next(e.at_s for e in ends if f"in place of {e.instance_id}," in start.detail)
            for start in starts
            if any(f"in place of {e.instance_id}," in start.detail for e in ends)
        ]
        assert pauses[0] < 0.2 <= pauses[1]


def test_a_crash_says_how_and_whether_the_handler_may_have_run(service: Service) -> None:
    with deployed(service, "process", "vm") as deployment, ThreadPoolExecutor(1) as threads:
        call = threads.submit(deployment.invoke, {"sleep": 20})
        busy = until(lambda: [i for i in deployment.instances() if i.state is InstanceState.BUSY])
        time.sleep(0.1)
        deployment.kill_instance(busy[0].instance_id)
        with pytest.raises(InvocationError, match="crashed: ended by signal SIGKILL") as caught:
            call.result()
        assert not caught.value.definite


@pytest.mark.parametrize("sandbox", SANDBOXES[:2])
def test_a_burst_scales_it_up_and_its_end_down_again(service: Service, sandbox: str) -> None:
    at_once = Behaviour(0.5, (Policy(Unit.PERCENT, 100, 0.1),))
    rules = Rules(target=1.0, most=3, down=at_once)
    with (
        deployed(service, sandbox) as deployment,
        deployment.autoscaled(rules, metric="requests", every_s=0.1) as scaling,
    ):
        with Callers(deployment, {"sleep": 0.1}, number=6) as callers:
            until(lambda: len([i for i in deployment.instances() if i.state in SERVING]) == 3)
        until(lambda: len(deployment.instances()) == 1)
        assert callers.errors == []
        up = next(s for s in scaling.history if s.number > s.current)
        assert up.metric is not None
        assert up.by_formula >= up.number == 3
        assert any(s.number == 1 and s.current == 3 for s in scaling.history)
        assert "sync period 0.1 s" in scaling.settings


def test_the_cpu_share_is_what_instances_use_of_what_they_are_given(service: Service) -> None:
    with deployed(service, "process") as deployment:
        with deployment.autoscaled(Rules(target=1000.0), every_s=0.2) as scaling:
            until(lambda: [s for s in scaling.history if s.metric is not None])
        idle = scaling.history[-1].metric
        assert idle is not None
        assert 0 <= idle < 1


def test_closing_ends_a_scaling_that_nobody_ended(service: Service) -> None:
    deployment = deployed(service, "process")
    scaling = deployment.autoscaled(Rules(1.0), every_s=0.05).__enter__()
    deployment.close()
    assert scaling.ended


def test_output_is_kept_in_files_that_are_rotated_and_of_what_has_ended_for_a_while(service: Service) -> None:
    with deployed(service, "process", "vm") as deployment:
        instance = deployment.invoke({"lines": 6000}).instance_id  # of 101 bytes: more than two files take
        until(lambda: deployment.logs(instance).endswith(f"{5999:0100}\n"))
        log = deployment._fleet.logs.find(instance)
        assert log is not None
        files = sorted(log._path.parent.iterdir())
        assert [f.name for f in files] == [instance, f"{instance}.1", f"{instance}.2"]
        assert all(f.stat().st_size <= 256 * 1024 for f in files)
        deployment.kill_instance(instance)
        until(lambda: instance not in {i.instance_id for i in deployment.instances()})
        assert deployment.logs(instance).endswith(f"{5999:0100}\n")
    assert not files[0].parent.exists()
    with pytest.raises(DeploymentError, match="no instance"):
        deployment.logs(instance)


def test_memory_is_reserved_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = reservations.Reservations(lambda: 700, cpus=1)
    monkeypatch.setattr("workbench.deployments.vm.RESERVATIONS", machine)
    with VmDeployment(service, "process", process.launch) as deployment:
        deployment.scale(1)
        with pytest.raises(DeploymentError, match="2 fit"):
            deployment.scale(3)
        assert len(deployment.instances()) == 1
        deployment.scale(2)
        assert all(i.provisioned_ms for i in deployment.supervision().instances)
        with pytest.raises(DeploymentError, match="0 fit"):
            deployment.beside(service)
        with pytest.raises(DeploymentError, match="1 fit"):
            deployment.update(service.with_resources(Resources(memory_mb=512, timeout_s=20)))
        assert deployment.reserved().memory_mb == 512
    with deployed(service, "process", "vm") as another:
        another.scale(2)


def test_it_gets_no_request_before_it_is_healthy(service: Service) -> None:
    with deployed(service.with_environment(HEALTHY_AFTER="4"), "process") as deployment:
        assert deployment.invoke({}).payload["asked"] >= 4
        cold = deployment.invoke_cold({})
        assert cold.cold  # to be asked for its health is not to be used
        assert cold.payload["asked"] >= 4


NODE = """
let asked = 0;
exports.handler = async (event) => {
  if (event.rawPath !== "/health") return { asked };
  return { statusCode: ++asked >= 3 ? 204 : 503 };
};
"""
JAVA = """
package shop;
import java.util.Map;
public class App {
    private int asked;
    public Object handler(Map<String, Object> event) {
        if (!"/health".equals(event.get("rawPath"))) return Map.of("asked", asked);
        return Map.of("statusCode", ++asked >= 3 ? 204 : 503);
    }
}
"""


@pytest.mark.parametrize(
    ("file", "text", "handler"),
    [
        pytest.param("index.js", NODE, "index.handler", id="node", marks=needs("node")),
        pytest.param("shop/App.java", JAVA, "shop.App::handler", id="java", marks=needs("java")),
    ],
)
def test_other_languages_are_asked_for_their_health_too(tmp_path: Path, file: str, text: str, handler: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    service = Service.from_dir(tmp_path, handler, resources=Resources(512, 20), health_path="/health?deep=1")
    with contextlib.closing(deployed(service, "process")) as deployment:
        first = deployment.invoke_cold({})
        assert first.cold
        assert first.payload["asked"] >= 3
