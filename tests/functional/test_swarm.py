"""What is special about the service as a Docker Swarm service; the rest is in deployments/test_conformance.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import leftovers
from tests.needs import needs
from workbench.cleaning import clean
from workbench.deployments import deploy
from workbench.deployments.swarm import SwarmDeployment
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.instance import InstanceState
from workbench.isolation.engine import docker_engine, docker_swarm
from workbench.service import Resources, Service
from workbench.session import VARIABLE

pytestmark = needs("docker")

HANDLER = """
import os, time
VERSION = 1

def handler(event, context):
    time.sleep(event.get("seconds", 0) if isinstance(event, dict) else 0)
    return {"version": VERSION, "env": os.environ.get("CURLY")}
"""


def written(place: Path, text: str = HANDLER, **more: Any) -> Service:
    place.mkdir(parents=True, exist_ok=True)
    (place / "main.py").write_text(text)
    environment = {"CURLY": "{{.Node.ID}} {{"}
    return Service.from_dir(place, "main.handler", resources=Resources(512, 20), environment=environment, **more)


def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def engine() -> Any:
    client: Any = docker_engine.client(os.getpid())
    if client.info()["Swarm"].get("ControlAvailable") and not docker_swarm.is_made_here(client):
        pytest.skip("The engine is in somebody's Swarm, which these tests would not leave as they should.")
    return client


def services(engine: Any) -> list[str]:
    managing = engine.info()["Swarm"].get("ControlAvailable")
    return [one.name for one in engine.services.list()] if managing else []


def nothing_is_left(engine: Any, service: str) -> bool:
    """Whether service and networks are gone; also the Swarm, unless another test run's services are in it."""
    there = services(engine)
    networks = {network.name for network in engine.networks.list()}
    gone = service not in there and not {service, f"{service}-net"} & networks
    swarm = engine.info()["Swarm"]["LocalNodeState"] == "active" or docker_swarm.BRIDGE in networks
    return gone and (bool(there) or not swarm)


OWNER = """
import sys, time
from pathlib import Path
from workbench.deployments import deploy
from workbench.service import Resources, Service
service = Service.from_dir(sys.argv[1], "main.handler", resources=Resources(512, 20))
deployment = deploy(service, "container", sandbox="swarm")
print(deployment.invoke({}).instance_id, flush=True)
time.sleep(600)
"""


def test_what_a_killed_owner_had_is_cleaned_with_its_swarm(engine: Any, tmp_path: Path) -> None:
    before = leftovers.find()
    written(tmp_path / "app")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "app")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert owner.stdout is not None
    instance = owner.stdout.readline().strip()
    with owner.stdout:
        keepers = _keepers(owner.pid)
        for pid in keepers:  # also what would clean up after it: only `clean` is left
            os.kill(pid, signal.SIGKILL)
        owner.kill()
        owner.wait()
    service = instance.split(".")[0]
    assert service in services(engine)
    cleaned = clean()
    assert service in cleaned.services
    assert not cleaned.remarks
    assert until(lambda: not leftovers.find() - before, 15.0)
    assert until(lambda: nothing_is_left(engine, service))


def _keepers(owner: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(owner).children() if "-S" in child.cmdline()]


@pytest.fixture(scope="module")
def swarm(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmDeployment]:
    with deploy(written(tmp_path_factory.mktemp("app")), "container", sandbox="swarm") as deployment:
        assert isinstance(deployment, SwarmDeployment)
        name = name_of(deployment)
        yield deployment
    assert until(lambda: nothing_is_left(engine, name))


def name_of(deployment: SwarmDeployment) -> str:
    return deployment.instances()[0].instance_id.split(".")[0]


def test_everything_listens_on_loopback_alone(engine: Any, swarm: SwarmDeployment) -> None:
    container = engine.containers.get(swarm.instances()[0].instance_id)
    published = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"]
    assert {one["HostIp"] for one in published} == {"127.0.0.1"}
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert f"0100007F:{2377:04X}" in listening
    assert f"00000000:{2377:04X}" not in listening


def test_what_the_service_says_reaches_it_unexpanded(swarm: SwarmDeployment) -> None:
    assert swarm.invoke({}).payload["env"] == "{{.Node.ID}} {{"


def test_limits_are_the_services(engine: Any, swarm: SwarmDeployment) -> None:
    settings = engine.containers.get(swarm.instances()[0].instance_id).attrs["HostConfig"]
    assert settings["Memory"] == 512 * 2**20
    assert settings["NanoCpus"] == round(512 / 1769 * 1e9)
    assert settings["PidsLimit"] == 256
    assert settings["ReadonlyRootfs"]


def test_scaling_leaves_those_that_run(swarm: SwarmDeployment) -> None:
    (first,) = swarm.instances()
    swarm.scale(2)
    assert first.instance_id in {one.instance_id for one in swarm.instances()}
    swarm.scale(1)
    assert len(swarm.instances()) == 1


def test_the_engine_restarts_what_crashed_in_the_same_slot(swarm: SwarmDeployment) -> None:
    (before,) = swarm.instances()
    swarm.kill_instance(before.instance_id)

    def others() -> list[str]:
        ready = [one.instance_id for one in swarm.instances() if one.state is InstanceState.IDLE]
        return [name for name in ready if name != before.instance_id]

    (after,) = until(others)
    assert after.split(".")[:2] == before.instance_id.split(".")[:2]
    ended = [event for event in swarm.events() if event.instance_id == before.instance_id][-1]
    assert (ended.state, ended.detail) == (InstanceState.FAILED, "crashed: ended by signal SIGKILL")


def test_an_update_to_what_is_never_healthy_is_rolled_back_by_the_engine(
    engine: Any, swarm: SwarmDeployment, tmp_path: Path
) -> None:
    before = {one.instance_id for one in swarm.instances()}
    ends = "import threading, os\n" + HANDLER.replace("VERSION = 1", "threading.Timer(0.1, os._exit, [4]).start()")
    with pytest.raises(DeploymentError, match=r"(?s)rolled the update.*1 instances of the version before.*code 4"):
        swarm.update(written(tmp_path, ends))
    assert swarm.invoke({}).payload["version"] == 1
    assert {one.instance_id for one in swarm.instances()} == before
    assert engine.services.get(name_of(swarm)).attrs["UpdateStatus"]["State"] == "rollback_completed"


def test_a_swarm_that_a_service_is_in_is_not_left(engine: Any, swarm: SwarmDeployment) -> None:
    assert docker_swarm.is_made_here(engine)
    assert not docker_swarm.leave_unused(engine)
    assert name_of(swarm) in services(engine)


def test_an_engine_that_does_not_manage_its_swarm_is_refused(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The answer of a worker; a real one needs a second engine.
    answer = {**engine.api.info(), "Swarm": {"LocalNodeState": "active", "ControlAvailable": False, "NodeID": "n"}}
    monkeypatch.setattr(engine.api, "info", lambda: answer)
    with pytest.raises(CapabilityMissing, match="does not manage"), docker_swarm.entered(engine):
        pass
