"""Counters, slow starts and packages that are too large, on real deployments."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from workbench.deployments import deploy
from workbench.experiments import refused, spike, state
from workbench.samples import sample
from workbench.service import Resources, Service
from workbench.session import cache_dir

pytestmark = [needs("namespaces"), pytest.mark.timeout(180)]

REACHING = """
import os, socket


def handler(event, context):
    try:
        with socket.create_connection(("127.0.0.1", event["port"]), timeout=5) as connection:
            return connection.makefile().readline()
    except OSError as error:
        return type(error).__name__
"""


@pytest.fixture
def greeter() -> Iterator[int]:
    """A port of this machine that greets whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"hello\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_container_reaches_the_port_that_its_service_names_and_no_other(tmp_path: Path, greeter: int) -> None:
    (tmp_path / "app.py").write_text(REACHING)
    service = Service.from_dir(tmp_path, resources=Resources(memory_mb=128))
    with deploy(service.reaching(greeter), "container", sandbox="namespaces") as container:
        assert container.invoke({"port": greeter}).payload == "hello\n"
        with container.beside(service) as other:
            assert other.invoke({"port": greeter}).payload == "ConnectionRefusedError"
        container.scale(2)
        assert {container.invoke({"port": greeter}).payload for _ in range(4)} == {"hello\n"}


def test_a_function_reaches_the_port_that_its_service_names(tmp_path: Path, greeter: int) -> None:
    (tmp_path / "app.py").write_text(REACHING)
    service = Service.from_dir(tmp_path, resources=Resources(memory_mb=128)).reaching(greeter)
    with deploy(service, "serverless") as function:
        assert function.invoke({"port": greeter}).payload == "hello\n"


def test_several_instances_count_apart_and_an_idle_function_forgets() -> None:
    service = sample("counter", Resources(memory_mb=256)).with_environment(COUNTER_WORK_MS="20")
    with (
        deploy(service, "serverless", idle_expiry_s=1) as function,
        deploy(service, "container", sandbox="namespaces") as container,
    ):
        forgetful, keeping = state(function, container, calls=6, instances=2, rest_s=20)
    for one in (forgetful, keeping):
        assert one.samples[:6] == (1, 2, 3, 4, 5, 6)
        assert one.detail["wrong"] > 0
        assert one.detail["stored"] == [int(count) for count in one.samples]
    assert forgetful.samples[12] == 1
    assert keeping.samples[12] > 1
    assert keeping.detail["instances"] == 2


def test_a_spike_is_throttled_by_a_function_and_waits_for_a_container() -> None:
    service = sample("slow", Resources(memory_mb=256, timeout_s=10)).with_environment(SLOW_START_S="1")
    with (
        deploy(service, "serverless") as function,
        deploy(service, "container", sandbox="namespaces", concurrency=1) as container,
    ):
        throttled, waited = spike(function, container, requests=200, over_s=2.0, instances=2)
    assert sum(throttled.detail["ends"].values()) == sum(waited.detail["ends"].values()) == 200
    assert throttled.detail["ends"]["throttled"] > 0
    assert throttled.detail["first_answer_s"] > 1
    assert waited.detail["ends"]["throttled"] == 0
    assert waited.detail["first_answer_s"] < throttled.detail["first_answer_s"]


def test_a_function_whose_init_takes_longer_than_it_may_never_answers() -> None:
    """AWS's limit is 10 s, and the second try is under the function's own ("Lambda execution environment")."""
    service = sample("slow", Resources(memory_mb=256, timeout_s=1)).with_environment(SLOW_START_S="11")
    with deploy(service, "serverless") as function:
        (never,) = spike(function, requests=20, over_s=2.0, instances=2, timeout_s=14)
    assert never.detail["first_answer_s"] is None
    assert never.detail["ends"]["throttled"] + never.detail["ends"]["failed"] == 20
    assert never.detail["ends"]["failed"] > 0


def test_a_platform_refuses_in_its_own_words_what_a_container_runs() -> None:
    service = sample("pricing", Resources(memory_mb=256))
    with deploy(service, "serverless") as function, deploy(service, "container", sandbox="namespaces") as container:
        platform, other = refused(function, container, payload={"sku": "A1", "quantity": 3})
    large, language = platform.detail["probes"]
    assert (large["verdict"], language["verdict"]) == ("refused", "refused")
    assert "InvalidParameterValueException" in large["observed"]
    assert "perl5" in language["observed"]
    large, language = other.detail["probes"]
    assert large["verdict"] == "runs"
    assert language["verdict"] == "refused"  # namespaces have no image that would bring it
    assert "Dockerfile" in language["observed"]
    assert list((cache_dir() / "unpacked").glob("*/model-*.bin")) == []


@needs("docker")
def test_a_container_of_an_engine_runs_what_no_platform_knows() -> None:
    with deploy(sample("pricing", Resources(memory_mb=256)), "container", sandbox="docker") as container:
        (found,) = refused(container, payload={"sku": "A1", "quantity": 3})
    assert [probe["verdict"] for probe in found.detail["probes"]] == ["runs", "runs"]


def test_without_perl_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.experiments.in_perl.shutil.which", lambda _: None)
    with deploy(sample("pricing"), "fake") as deployment:
        (found,) = refused(deployment, payload={"sku": "A1", "quantity": 3})
    assert found.detail["probes"][1]["verdict"] == "not tried"
    assert "apt-get install perl-base" in found.detail["probes"][1]["observed"]
