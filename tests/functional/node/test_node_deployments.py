"""A Node.js service deployed three ways: the same answers, the same kinds of errors, the same phases."""

from __future__ import annotations

import importlib.util
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.errors import DeploymentError, HandlerError, InvocationError
from workbench.samples import sample
from workbench.service import Resources, Service

pytestmark = needs("node")

COMBINATIONS = [
    pytest.param(("vm", "process"), id="vm-process"),
    pytest.param(("container", "namespaces"), id="container-namespaces", marks=needs("namespaces")),
    pytest.param(("container", "docker"), id="container-docker", marks=needs("docker")),
    pytest.param(("serverless", "process"), id="serverless-process"),
    pytest.param(("serverless", "namespaces"), id="serverless-namespaces", marks=needs("namespaces")),
]
HANDLER = """
exports.handler = async (event) => {
  if (event.raise) throw new RangeError(event.raise);
  if (event.sleep) await new Promise((done) => setTimeout(done, event.sleep));
  if (event.exit) process.exit(event.exit);
  return { version: VERSION, env: process.env.COLOUR };
};
const VERSION = 1;
"""
ORDERS = [(sku, quantity) for sku in ("A1", "A2", "A3", "B1", "C1") for quantity in (1, 3, 9, 10, 99, 100, 10_000)]


def service(place: Path, text: str = HANDLER) -> Service:
    (place / "index.js").write_text(text)
    return Service.from_dir(place, "index.handler", resources=Resources(512, 20), environment={"COLOUR": "blue"})


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> tuple[str, str]:
    pattern, sandbox = request.param
    return pattern, sandbox


@pytest.fixture
def deployed(combination: tuple[str, str], tmp_path: Path) -> Iterator[Deployment]:
    with deploy(service(tmp_path), combination[0], sandbox=combination[1]) as deployment:
        yield deployment


def test_it_answers_cold_and_warm_and_many_at_once(deployed: Deployment) -> None:
    assert deployed.invoke({}).payload == {"version": 1, "env": "blue"}
    cold = deployed.invoke_cold({})
    assert cold.cold
    phases = (cold.phases.sandbox_ms, cold.phases.runtime_init_ms, cold.phases.function_init_ms, cold.phases.handler_ms)
    assert all(phase is not None and phase >= 0 for phase in phases)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(deployed.invoke, {"sleep": 200}) for _ in range(4)]
        assert [call.result().payload["version"] for call in calls] == [1] * 4


def test_its_errors_are_its_own(deployed: Deployment) -> None:
    with pytest.raises(HandlerError, match="far") as caught:
        deployed.invoke({"raise": "far"})
    assert caught.value.error_type == "RangeError"
    assert any("index.js:3" in line for line in caught.value.stack_trace)
    with pytest.raises(InvocationError) as ended:
        deployed.invoke({"exit": 3})
    assert not ended.value.definite


def test_an_update_brings_the_new_version_in_either_language(deployed: Deployment, tmp_path: Path) -> None:
    assert deployed.invoke({}).payload["version"] == 1
    deployed.update(service(tmp_path, HANDLER.replace("VERSION = 1", "VERSION = 2")))
    assert deployed.invoke({}).payload["version"] == 2


def test_a_module_that_does_not_load_is_named(combination: tuple[str, str], tmp_path: Path) -> None:
    broken = service(tmp_path, "require('absent-module')")
    with (
        pytest.raises(HandlerError, match="absent-module") as caught,
        deploy(broken, combination[0], sandbox=combination[1]) as deployment,
    ):
        deployment.invoke({})
    assert caught.value.error_type == "Runtime.ImportModuleError"


def test_the_pricing_samples_agree() -> None:
    """Node.js and Python price every order alike, and refuse the same ones."""
    with deploy(sample("pricing_node"), "vm") as deployment:
        python = _python_pricing()
        for sku, quantity in ORDERS:
            expected = python.price(sku, quantity)
            got = deployment.invoke({"sku": sku, "quantity": quantity}).payload
            assert {**got, "instance_calls": 0} == {**expected, "instance_calls": 0}
        for order in ({"sku": "none"}, {"quantity": 0}, {"quantity": "3"}, {"quantity": True}, {"quantity": 1.5}):
            with pytest.raises(HandlerError, match=r"sku|quantity"):
                deployment.invoke(order)
        calls = deployment.invoke({}).payload["instance_calls"]
        assert deployment.invoke({}).payload["instance_calls"] == calls + 1
        with urllib.request.urlopen(f"{deployment.endpoint}/catalogue", timeout=30) as answer:
            assert json.load(answer) == json.loads(python.handler(_get("/catalogue"), None)["body"])
        priced = urllib.request.Request(
            f"{deployment.endpoint}/price",
            json.dumps({"sku": "B1", "quantity": 1}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(priced, timeout=30) as answer:
            assert json.load(answer)["total"] == "46.80"


def test_the_fake_deployment_says_that_it_runs_python_alone() -> None:
    with pytest.raises(DeploymentError, match="Python process"):
        deploy(sample("pricing_node"), "fake")


def _get(path: str) -> dict[str, Any]:
    return {"rawPath": path, "requestContext": {"http": {"method": "GET"}}}


def _python_pricing() -> Any:
    spec = importlib.util.spec_from_file_location("python_pricing", sample("pricing").source / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
