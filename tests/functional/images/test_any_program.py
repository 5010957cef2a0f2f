"""A program in a language that the workbench does not know, as a container that its own Dockerfile describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import needs
from workbench.deployments import deploy
from workbench.errors import DeploymentError
from workbench.experiments.in_perl import in_perl
from workbench.service import Resources, Service

RESOURCES = Resources(memory_mb=256, timeout_s=20)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return in_perl(tmp_path, RESOURCES, {"COLOUR": "blue"})


@needs("docker")
def test_it_is_deployed_asked_scaled_and_updated_like_any_other(service: Service) -> None:
    with deploy(service, "container", sandbox="docker") as container:
        answer = container.invoke({"sku": "A1"}).payload
        assert answer["event"] == {"sku": "A1"}
        assert answer["written_in"].startswith("Perl ")
        cold = container.invoke_cold([1, 2])
        assert cold.payload["event"] == [1, 2]
        phases = (cold.phases.sandbox_ms, cold.phases.runtime_init_ms, cold.phases.function_init_ms)
        assert all(phase is not None and phase >= 0 for phase in phases)
        container.scale(2)
        assert {container.invoke({}).instance_id for _ in range(8)} == {i.instance_id for i in container.instances()}
        program = service.source / "server.pl"
        program.write_text(program.read_text().replace('"Perl %vd"', '"Perl %vd, anew"'))
        container.update(service)
        assert container.invoke({}).payload["written_in"].endswith(", anew")


@needs("docker")
def test_one_that_ends_before_it_listens_says_so_with_its_last_words(service: Service) -> None:
    (service.source / "server.pl").write_text('die "the till is locked\\n";\n')
    with pytest.raises(DeploymentError, match=r"exited with code 255 before it was ready(?s:.*)the till is locked"):
        deploy(service, "container", sandbox="docker")


@needs("docker")
def test_one_that_is_not_there_is_named(service: Service) -> None:
    dockerfile = service.source / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("/var/task/perl/lib/loader", "/var/task/none"))
    with pytest.raises(DeploymentError, match="/var/task/none cannot be started: No such file"):
        deploy(service, "container", sandbox="docker")


@pytest.mark.parametrize(
    ("pattern", "sandbox"),
    [("vm", "process"), pytest.param("container", "namespaces", marks=needs("namespaces"))],
)
def test_where_there_is_no_image_it_is_told_what_runs_it(service: Service, pattern: str, sandbox: str) -> None:
    with pytest.raises(DeploymentError, match=r"runs here by itself is python, nodejs, java.*Docker.*any_host.py"):
        deploy(service, pattern, sandbox=sandbox)
