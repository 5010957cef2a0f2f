"""A service in Java behind the HTTP host and deployed: the same answers as in Python, and an end in good order."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.functional.java.services import compiled
from tests.functional.sandboxes.boxes import Marks, call, eventually, output
from tests.needs import needs
from workbench.errors import HandlerError, PackageError
from workbench.isolation import launcher
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Resources, Service

pytestmark = [needs("java"), pytest.mark.timeout(300)]

SLOW = """
public class Slow {
    private static final java.util.concurrent.CyclicBarrier BOTH = new java.util.concurrent.CyclicBarrier(2);
    public String run(java.util.Map<String, Object> event) throws Exception {
        if ("meet".equals(event.get("do"))) { BOTH.await(); }
        if ("sleep".equals(event.get("do"))) { System.out.println("asleep"); Thread.sleep(1500); }
        if ("pid".equals(event.get("do"))) { return String.valueOf(ProcessHandle.current().pid()); }
        return "done";
    }
}
"""
KINDS = ["process", pytest.param("namespaces", marks=needs("namespaces"))]
Launch = Callable[[str], Sandbox]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    code = tmp_path / "code"
    code.mkdir()
    for name, content in compiled({"Slow.java": SLOW}, tmp_path).items():
        (code / name).write_bytes(content)
    with contextlib.ExitStack() as stack:

        def start(kind: str) -> Sandbox:
            name = f"java-{kind}-{os.getpid()}"
            spec = SandboxSpec(name, "http_host.py", "Slow::run", code, Resources(), language="java")
            box = stack.enter_context(contextlib.closing(launcher(kind)(spec)))
            assert Marks(box.control).until("function_ready") == ["sandbox_ready", "runtime_ready", "function_ready"]
            return box

        yield start


@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_in_the_handler_at_once(launch: Launch, kind: str) -> None:
    box = launch(kind)
    answers: list[Any] = []
    callers = [threading.Thread(target=lambda: answers.append(call(box, do="meet"))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert answers == ["done", "done"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_with_its_owner(launch: Launch, kind: str) -> None:
    box = launch(kind)
    box.control.close()
    assert eventually(lambda: box.exit_code() is not None)


def test_sigterm_lets_it_answer_what_it_has_taken(launch: Launch) -> None:
    box = launch("process")
    pid = int(call(box, do="pid"))
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(call(box, do="sleep")))
    caller.start()
    assert eventually(lambda: "asleep" in output(box))
    os.kill(pid, signal.SIGTERM)
    caller.join()
    assert answers == ["done"]
    assert eventually(lambda: box.exit_code() == 0)


@pytest.mark.parametrize("pattern", ["container", "vm", "serverless"])
def test_the_sample_in_java_answers_as_the_one_in_python(pattern: str) -> None:
    service = wb.sample("pricing_java")
    path = wb.sample("pricing").source / "app.py"
    spec = importlib.util.spec_from_file_location("pricing", path)
    assert spec is not None
    assert spec.loader is not None
    python = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(python)
    with wb.deploy(service, pattern) as deployed:
        for order in ({"sku": "A1", "quantity": 3}, {"sku": "B1", "quantity": 10}, {"sku": "C2", "quantity": 10_000}):
            assert deployed.invoke(order).payload == python.handler(order, None)
        with pytest.raises(HandlerError, match="quantity must be a whole number from 1 to 10000, not 0"):
            deployed.invoke({"sku": "A1", "quantity": 0})
        if pattern == "serverless":
            return
        with urllib.request.urlopen(f"{deployed.endpoint}/catalogue") as answer:
            articles = json.load(answer)
        assert {a["sku"] for a in articles} == set(python.CATALOGUE)
        with urllib.request.urlopen(f"{deployed.endpoint}/price", data=b'{"sku": "B1", "quantity": 1}') as answer:
            assert json.load(answer)["total"] == "46.80"


def test_sources_that_do_not_compile_cannot_be_deployed(tmp_path: Path) -> None:
    (tmp_path / "App.java").write_text("public class App { nonsense }")
    with pytest.raises(PackageError, match=r"App\.java:1: error"):
        wb.deploy(Service.from_dir(tmp_path, "App::run"), "container")
