"""What the docker sandbox adds to what every sandbox promises: the image, the container's settings, its errors."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.functional.sandboxes.boxes import Marks, call, eventually
from tests.needs import needs
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.isolation import rootfs
from workbench.isolation.engine import docker as docker_sandbox
from workbench.isolation.engine import docker_engine, docker_image
from workbench.isolation.engine.docker import DockerSandbox
from workbench.sandbox import SandboxSpec
from workbench.service import Resources
from workbench.session import session_id

pytestmark = needs("docker")

SERVICE = """
def handler(event, context):
    names = {}
    exec(event["run"], names)
    return names["answer"]
"""
_numbers = itertools.count()
Launch = Callable[..., DockerSandbox]


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "app.py").write_text(SERVICE)
    return directory


@pytest.fixture
def launch(code: Path) -> Iterator[Launch]:
    with contextlib.ExitStack() as stack:

        def start(entry: str = "http_host.py") -> DockerSandbox:
            name = f"container-{os.getpid()}-{next(_numbers)}"
            resources = Resources(memory_mb=256, tmp_mb=512)
            box = docker_sandbox.launch(SandboxSpec(name, entry, "app.handler", code, resources, pids_limit=40))
            stack.callback(box.close)
            return box

        yield start


def _settings(engine: docker.DockerClient, box: DockerSandbox) -> dict[str, Any]:
    settings: dict[str, Any] = engine.api.inspect_container(box.container_id)
    return settings


def test_the_container_is_limited_labelled_and_without_privileges(launch: Launch, engine: docker.DockerClient) -> None:
    box = launch()
    settings = _settings(engine, box)
    host, config = settings["HostConfig"], settings["Config"]
    assert host["Memory"] == host["MemorySwap"] == 256 * 2**20
    assert host["CpuQuota"] / host["CpuPeriod"] == pytest.approx(256 / 1769, rel=0.01)
    assert host["PidsLimit"] == 40
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not host["Privileged"]
    assert config["User"].partition(":")[0] not in ("", "0")
    assert config["Labels"]["workbench.session"] == session_id()
    assert all(not mount["RW"] for mount in settings["Mounts"])


def test_its_port_is_published_on_the_loopback_interface_alone(launch: Launch, engine: docker.DockerClient) -> None:
    box = launch()
    [[published]] = _settings(engine, box)["NetworkSettings"]["Ports"].values()
    assert published["HostIp"] == "127.0.0.1"
    assert box.address == f"http://127.0.0.1:{published['HostPort']}"


def test_a_serverless_instance_has_no_network(launch: Launch, engine: docker.DockerClient) -> None:
    box = launch("lambda_host.py")
    marks = Marks(box.control)
    marks.until("runtime_ready")
    for descriptor in marks.descriptors:
        socket.socket(fileno=descriptor).close()
    assert _settings(engine, box)["HostConfig"]["NetworkMode"] == "none"
    assert "network" in box.enforced
    assert box.address == ""


def test_inside_is_the_same_root_file_system(launch: Launch) -> None:
    box = launch()
    Marks(box.control).until("function_ready")
    seen = call(
        box,
        run="import os, sys\nanswer = [os.getpid(), sys.executable, sys.version, os.access('/usr/local', os.W_OK)]",
    )
    assert seen == [1, rootfs.interpreter(), sys.version, False]


def test_the_image_is_imported_once_and_labelled(engine: docker.DockerClient) -> None:
    tag = docker_image.image(engine)
    first = engine.images.get(tag)
    assert docker_image.image(engine) == tag
    assert engine.images.get(tag).id == first.id
    assert first.labels["workbench"] == "1"
    assert tag.endswith(rootfs.root_fs().name.rpartition("-")[2])


def test_a_name_already_taken_is_an_error_and_the_first_stays(launch: Launch, code: Path) -> None:
    box = launch()
    Marks(box.control).until("function_ready")
    spec = SandboxSpec(box.name, "http_host.py", "app.handler", code, Resources())
    with pytest.raises(DeploymentError, match=box.name):
        docker_sandbox.launch(spec)
    assert call(box, run="answer = 1") == 1


def test_a_container_removed_by_somebody_else_counts_as_ended(launch: Launch, engine: docker.DockerClient) -> None:
    box = launch()
    engine.api.remove_container(box.container_id, force=True)
    assert eventually(lambda: box.exit_code() is not None)
    box.freeze()
    box.kill()
    box.close()


def test_without_an_engine_the_remedy_is_told(code: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    docker_engine.client.cache_clear()
    try:
        with pytest.raises(CapabilityMissing, match="start Docker Engine"):
            docker_sandbox.launch(SandboxSpec("no-engine", "http_host.py", "app.handler", code, Resources()))
    finally:
        docker_engine.client.cache_clear()


def test_what_the_kernel_counts_is_what_the_engine_counts(launch: Launch) -> None:
    box = launch()
    Marks(box.control).until("function_ready")
    call(box, run="answer = sum(range(5_000_000))")
    by_kernel = box._counted_by_kernel()
    if by_kernel is None:
        pytest.skip("this engine's processes are not processes of this machine")
    by_engine = box._counted_by_engine()
    assert by_engine.cpu_s == pytest.approx(by_kernel.cpu_s, rel=0.2)
    assert by_kernel.peak_memory_bytes > 2**20


def test_a_container_that_ended_by_itself_has_no_port_and_that_is_no_fault_of_the_engine(
    launch: Launch, engine: docker.DockerClient
) -> None:
    box = launch()
    Marks(box.control).until("function_ready")
    assert docker_engine.address(engine, box.container_id, 8080) == box.address
    with pytest.raises(CapabilityMissing, match="published no port"):
        docker_engine.address(engine, box.container_id, 1)
    box.kill()
    assert docker_engine.address(engine, box.container_id, 8080) == ""
