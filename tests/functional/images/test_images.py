"""The container deployment on a real engine: its image, its walls, its logs and health, its errors, and its end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.functional.deployments.relay import Relay
from tests.functional.sandboxes.boxes import eventually
from tests.needs import needs
from workbench import cleaning
from workbench.deployment import Deployment
from workbench.deployments import container
from workbench.deployments.images import Images
from workbench.deployments.replica import INVOKE_PATH
from workbench.errors import CapabilityMissing, DeploymentError, WorkbenchError
from workbench.experiments import image_build
from workbench.image import image_context
from workbench.isolation.engine import bases, docker_build, docker_engine, docker_image
from workbench.labs import owned
from workbench.service import Resources, Service
from workbench.session import session_id

pytestmark = needs("docker")

HANDLER = """
import needed
print("the module is loaded", flush=True)
def handler(event, context):
    names = {"needed": needed.VALUE}
    exec(event["run"], names)
    return names["answer"]
"""


MARK = f"SOME={os.getpid()}"
"""In an image of the Dockerfile that fails, and of no other run of it."""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.from_env()) as client:
        docker_image.ensure(bases.own())
        yield client


def write(source: Path, handler: str = HANDLER, value: int = 1, dockerfile: str = "") -> Service:
    (source / "needed-1.dist-info").mkdir(parents=True, exist_ok=True)
    (source / "needed.py").write_text(f"VALUE = {value}\n")
    (source / "needed-1.dist-info" / "RECORD").write_text("needed.py,,\nneeded-1.dist-info/RECORD,,\n")
    (source / "app.py").write_text(handler)
    (source / "Dockerfile").unlink(missing_ok=True)
    if dockerfile:
        (source / "Dockerfile").write_text(dockerfile)
    return Service.from_dir(source, "app.handler", name="Mine", resources=Resources(memory_mb=256))


def edited(service: Service, *changes: tuple[str, str]) -> str:
    """The Dockerfile that is written for the service, edited as a learner would."""
    text = image_context(service).dockerfile
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def deployed(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Of an edited Dockerfile: checked each second, and with a variable of its own."""
    source = tmp_path_factory.mktemp("mine")
    quick = (("--interval=30s", "--interval=1s"), ("EXPOSE", "ENV OF_THE_DOCKERFILE=yes\nEXPOSE"))
    text = edited(write(source), *quick)
    with container.deploy(write(source, dockerfile=text), "docker") as deployment:
        yield deployment


@pytest.fixture(scope="module")
def settings(engine: docker.DockerClient, deployed: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = engine.api.inspect_container(deployed.instances()[0].instance_id)
    return found


def run(deployment: Deployment, code: str) -> Any:
    return deployment.invoke({"run": code}).payload


def ours(engine: docker.DockerClient) -> set[str]:
    """What the engine has with our label: networks, and images that belong to a session."""
    labelled = {"label": f"workbench.session={session_id()}"}
    found = {f"network {network.name}" for network in engine.networks.list(filters=labelled)}
    return found | {f"image {image['RepoTags']}" for image in engine.api.images(filters=labelled)}


def unnamed(engine: docker.DockerClient) -> set[str]:
    """The images with MARK in them: a failed build's, which have no name."""
    found = set()
    for image in engine.api.images(all=True):
        with contextlib.suppress(docker.errors.ImageNotFound):  # of another session, and gone meanwhile
            if MARK in (engine.images.get(image["Id"]).attrs["Config"]["Env"] or []):
                found.add(str(image["Id"]))
    return found


def test_the_image_holds_the_code_and_a_brought_dockerfile_is_used(
    deployed: Deployment, settings: dict[str, Any]
) -> None:
    assert settings["Config"]["Image"].startswith("workbench/service-mine:")
    assert [mount["Destination"] for mount in settings["Mounts"]] == ["/run/workbench"]
    assert run(deployed, "import os; answer = [needed, os.environ['OF_THE_DOCKERFILE']]") == [1, "yes"]
    assert run(deployed, "import os; answer = sorted(os.listdir('/var/task'))") == [
        "__pycache__",
        "app.py",
        "needed-1.dist-info",
        "needed.py",
    ]
    assert run(deployed, "import os; answer = os.listdir('/var/task/__pycache__')")[0].startswith("needed.")


def test_the_containers_limits_as_the_engine_has_them(settings: dict[str, Any]) -> None:
    host = settings["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 256 * 2**20
    assert host["CpuQuota"] / host["CpuPeriod"] == pytest.approx(256 / 1769, rel=0.01)
    assert (host["PidsLimit"], host["ReadonlyRootfs"], host["CapDrop"]) == (256, True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert "size=512m" in host["Tmpfs"]["/tmp"]


def test_the_containers_limits_as_seen_from_inside(deployed: Deployment) -> None:
    status = run(deployed, "answer = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines())")
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert "0" not in status["Uid"].split()
    writes = "import os; answer = [os.access(p, os.W_OK) for p in ('/', '/var/task', '/usr/local', '/tmp')]"
    assert run(deployed, writes) == [False, False, False, True]
    assert run(deployed, "import os; s = os.statvfs('/tmp'); answer = s.f_blocks * s.f_frsize") == 512 * 2**20


def test_docker_logs_and_the_deployment_show_what_it_prints(engine: docker.DockerClient, deployed: Deployment) -> None:
    name = deployed.instances()[0].instance_id
    run(deployed, "import sys; print('to out', flush=True); answer = print('to err', file=sys.stderr, flush=True)")
    wanted = ("the module is loaded", "to out", "to err")
    assert eventually(lambda: all(line in deployed.logs(name) for line in wanted))
    by_engine = engine.api.logs(name).decode()
    assert all(line in by_engine for line in wanted)


def test_the_engines_health_check_is_in_its_list_and_in_our_logs(
    engine: docker.DockerClient, deployed: Deployment
) -> None:
    name = deployed.instances()[0].instance_id
    assert eventually(lambda: deployed.logs(name).endswith("[workbench] health check: healthy\n"))
    [listed] = engine.api.containers(filters={"name": name})
    assert "(healthy)" in listed["Status"]


def test_a_lab_sees_what_of_it_its_session_owns(deployed: Deployment) -> None:
    found, name = owned(), deployed.instances()[0].instance_id
    assert any(line.startswith(f"{name} (") for line in found.containers)
    assert name in found.networks
    assert any(image.startswith("workbench/service-mine:") for image in found.images)


def test_neighbours_do_not_reach_each_other(engine: docker.DockerClient, deployed: Deployment) -> None:
    deployed.scale(2)
    try:
        one, two = (engine.api.inspect_container(i.instance_id) for i in deployed.instances())
        [address], [other] = ([n["IPAddress"] for n in c["NetworkSettings"]["Networks"].values()] for c in (one, two))
        assert set(one["NetworkSettings"]["Networks"]) != set(two["NetworkSettings"]["Networks"])
        with socket.create_connection((address, 8080), timeout=10):
            pass  # it listens, and from outside is reached
        if engine.api.info()["IPv4Forwarding"]:
            pytest.skip("this machine forwards: whether networks are apart depends on the engine's packet filter")
        trying = """
import socket
answer = {}
for address in %r:
    with socket.socket() as s:
        s.settimeout(0.5)
        answer[address] = s.connect_ex((address, 8080))
"""
        codes = [run(deployed, trying % [address, other]) for _ in range(2)]  # one from each: they take turns
        assert all(sorted(code == 0 for code in found.values()) == [False, True] for found in codes), codes
        assert codes[0] != codes[1]
    finally:
        deployed.scale(1)


def test_an_instance_that_cannot_start_says_what_it_printed(engine: docker.DockerClient, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="NameError"):
        container.deploy(write(tmp_path, "print('last words')\nnot_there\n"), "docker")
    broken = edited(write(tmp_path), ('"/var/runtime/http_host.py"]', '"/nowhere.py"]'))
    with pytest.raises(DeploymentError, match=r"did not start its runtime[\s\S]*nowhere\.py"):
        container.deploy(write(tmp_path, dockerfile=broken), "docker")


def test_a_failing_health_check_is_told_with_its_words(engine: docker.DockerClient, tmp_path: Path) -> None:
    checks = (
        ("--interval=30s --timeout=5s --retries=3", "--interval=1s --retries=1"),
        ('"/var/runtime/wb_health.py"', '"-c", "raise SystemExit(\'no good\')"'),
    )
    service = write(tmp_path, dockerfile=edited(write(tmp_path), *checks))
    with container.deploy(service, "docker") as deployment:
        name = deployment.instances()[0].instance_id
        assert eventually(lambda: "health check: unhealthy: no good" in deployment.logs(name))


def test_a_dockerfile_that_does_not_build_shows_the_builders_words(engine: docker.DockerClient, tmp_path: Path) -> None:
    assert not unnamed(engine)
    before = ours(engine)
    broken = "ARG BASE\nFROM ${BASE}\nENV " + MARK + '\nRUN ["python3", "-c", "raise SystemExit(\'these words\')"]\n'
    with pytest.raises(DeploymentError, match=r"does not build[\s\S]*these words[\s\S]*workbench image"):
        container.deploy(write(tmp_path, dockerfile=broken), "docker")
    assert ours(engine) == before
    assert not unnamed(engine)


def test_a_missing_base_is_told_with_the_remedy(
    engine: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bases.VARIABLE, "127.0.0.1:1/nothing:here")
    with pytest.raises(CapabilityMissing, match=r"127\.0\.0\.1:1/nothing:here[\s\S]*docker pull"):
        container.deploy(write(tmp_path), "docker")


def test_on_somebody_elses_base_the_runtime_comes_along(
    engine: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"somebody/elses:{os.getpid()}"
    without = "FROM " + bases.own() + "\nLABEL somebody=else\n"
    docker_build.build(base, [("Dockerfile", without.encode())], base=bases.own())
    try:
        service = write(tmp_path)
        monkeypatch.setenv(bases.VARIABLE, base)
        with container.deploy(service, "docker") as deployment:
            assert run(deployment, "answer = needed") == 1
            layers = [step["CreatedBy"] for step in engine.api.history(_tag(engine, deployment))]
            assert any("/var/runtime" in layer for layer in layers)
    finally:
        engine.api.remove_image(base)


def _tag(engine: docker.DockerClient, deployment: Deployment) -> str:
    return str(engine.api.inspect_container(deployment.instances()[0].instance_id)["Config"]["Image"])


def test_changed_code_makes_one_layer_anew_and_nothing_is_left(engine: docker.DockerClient, tmp_path: Path) -> None:
    before = ours(engine)
    layers: list[list[str]] = []
    images = Images()
    try:
        for handler, value in ((HANDLER, 1), (HANDLER + "# changed\n", 1), (HANDLER, 2)):
            service = write(tmp_path, handler, value)
            tag = images.prepare(service, tmp_path)
            assert images.prepare(service, tmp_path) == tag
            layers.append(engine.images.get(tag).attrs["RootFS"]["Layers"])
    finally:
        images.close()
    first, code, dependency = layers
    assert first[:-1] == code[:-1]
    assert first[-1] != code[-1]
    assert first[:-3] == dependency[:-3]  # the base; then dependencies, compiled ones, code
    assert first[-3] != dependency[-3]
    assert ours(engine) == before


def test_an_engine_that_dies_does_not_keep_a_deployment_from_closing(
    engine: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(tmp_path / "engine.sock", engine.api._custom_adapter.socket_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    docker_engine.client.cache_clear()
    names: list[str] = []
    tags: list[str] = []
    try:
        deployment = container.deploy(write(tmp_path / "mine"), "docker")
        names += [instance.instance_id for instance in deployment.instances()]
        tags.append(_tag(engine, deployment))
        relay.die()
        with pytest.raises(DeploymentError, match=r"docker version.*workbench clean"):
            deployment.close()
        deployment.close()
    finally:
        monkeypatch.undo()
        docker_engine.client.cache_clear()
        for name in names:
            assert eventually(lambda name=name: engine.api.inspect_container(name)["State"]["Status"] == "exited")
            engine.api.remove_container(name, force=True)
            engine.api.remove_network(name)
        for tag in tags:
            engine.images.remove(tag)


def test_the_kinds_of_builds_are_measured(engine: docker.DockerClient, tmp_path: Path) -> None:
    before = ours(engine)
    images = Images()
    try:
        found = image_build(write(tmp_path), images.build, rounds=1)
    finally:
        images.close()
    assert all(len(found.detail[f"{kind}_s"]) == 1 for kind in ("first", "unchanged", "code", "dependency"))
    assert found.detail["unchanged_s"] < found.detail["first_s"]
    assert ours(engine) == before


def test_what_a_killed_session_left_is_cleaned(engine: docker.DockerClient, tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from workbench.deployments.images import Images
        from workbench.isolation.engine import docker_network
        from workbench.service import Service
        from workbench.session import session_id
        import docker

        images = Images()
        images.build(Service.from_dir(Path({str(tmp_path)!r}), "app.handler"))
        docker_network.create(docker.from_env(), "network-of-" + session_id())
        print(session_id(), flush=True)
        input()
        """
    )
    write(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "WORKBENCH_SESSION"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, cwd=Path(__file__).parents[3], **pipes
    ) as owner:
        assert owner.stdout is not None
        session = owner.stdout.readline().strip()
        owner.kill()
    label = {"label": f"workbench.session={session}"}
    assert engine.images.list(filters=label)
    cleaned = cleaning.clean()
    assert f"network-of-{session}" in cleaned.networks
    assert cleaned.images
    assert not engine.images.list(filters=label)
    assert not engine.networks.list(filters=label)
    assert engine.images.get(bases.own()), "the base stays"


def test_the_command_writes_what_the_engine_builds_and_runs_by_hand(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    write(tmp_path / "mine")
    command = [sys.executable, "-m", "workbench.cli", "image", "mine", "--out", "written"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "docker build -t" in done.stdout
    tag = f"by-hand:{os.getpid()}"
    labels = {"workbench": "1", "workbench.session": session_id()}
    engine.images.build(path=str(tmp_path / "written"), tag=tag, labels=labels, rm=True)
    container = engine.containers.run(tag, detach=True, labels=labels, ports={"8080/tcp": ("127.0.0.1", None)})
    try:
        address = docker_engine.address(engine, container.id, 8080)

        def asked() -> bytes:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{address}{INVOKE_PATH}", data=b'{"run": "answer = 42"}', timeout=10) as answer,
            ):
                return bytes(answer.read())
            return b""

        assert eventually(lambda: asked() == b"42")
    finally:
        container.remove(force=True)
        engine.images.remove(tag)


def test_who_removes_an_image_does_not_break_the_build_of_another_that_shares_its_layers(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    service = write(tmp_path)

    def over_and_over() -> None:
        for _ in range(5):
            images = Images()
            try:
                images.build(service)
            finally:
                images.close()

    with ThreadPoolExecutor(3) as builders:
        for done in [builders.submit(over_and_over) for _ in range(3)]:
            done.result()
