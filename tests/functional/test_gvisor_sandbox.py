"""What the gvisor sandbox has of its own, beyond what every sandbox promises."""

from __future__ import annotations

import itertools
import json
import os
import platform
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.sandboxes.boxes import Marks, RuntimeApi, call
from tests.needs import needs
from workbench import isolation
from workbench.errors import CapabilityMissing
from workbench.isolation.engine import docker_engine
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Resources

pytestmark = needs("gvisor")

_numbers = itertools.count()
SERVICE = """
import os, socket

def handler(event, context):
    if "port" in event:
        with socket.create_connection(("127.0.0.1", event["port"]), timeout=30) as out:
            out.sendall(b"from inside")
            return out.recv(100).decode()
    return {"kernel": os.uname().release, "interfaces": [name for _, name in socket.if_nameindex()]}
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    code = tmp_path / "code"  # which another user may read, as pytest's own directory may not be
    code.mkdir()
    (code / "app.py").write_text(SERVICE)
    boxes: list[Sandbox] = []

    def start(entry: str = "http_host.py", **more: Any) -> Sandbox:
        name = f"gvisor-{os.getpid()}-{next(_numbers)}"
        box = isolation.launcher("gvisor")(SandboxSpec(name, entry, "app.handler", code, Resources(256), **more))
        boxes.append(box)
        return box

    yield start
    for box in boxes:
        box.close()


def test_the_kernel_inside_is_gvisors_and_there_is_no_network(launch: Callable[..., Sandbox]) -> None:
    box = launch()
    Marks(box.control).until("function_ready")
    seen = call(box)
    assert seen["kernel"] != platform.release()
    assert set(seen["interfaces"]) <= {"lo"}
    assert "network" in box.enforced


def test_a_port_of_the_inside_is_served_by_its_owner(launch: Callable[..., Sandbox]) -> None:
    box = launch("lambda_host.py", ports=(9000,))
    marks = Marks(box.control)
    assert marks.until("runtime_ready") == ["sandbox_ready", "listener", "runtime_ready"]
    runtime, port = marks.descriptors

    def serve() -> None:
        with socket.socket(fileno=port) as listener:
            client, _ = listener.accept()
            with client:
                client.sendall(b"heard: " + client.recv(100))

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    api = RuntimeApi(runtime)
    assert api.invoke({"port": 9000}) == "heard: from inside"
    api.close()
    serving.join(30)


def test_what_the_registration_lacks_is_said(launch: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_engine, "runtimes", lambda client: {"runsc": {"path": "/usr/bin/runsc"}})
    with pytest.raises(CapabilityMissing, match="--host-uds=open") as caught:
        launch()
    assert json.dumps(["--network=none", "--host-uds=open"]) in caught.value.remedy


def test_another_language_is_refused_before_anything_is_made(launch: Callable[..., Sandbox]) -> None:
    with pytest.raises(CapabilityMissing, match="nodejs"):
        launch(language="nodejs")
