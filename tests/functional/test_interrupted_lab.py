"""A learner interrupts the kernel while a lab measures: the samples so far are kept, marked, and nothing runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.timeout(180)

MEASURE = """
import workbench as wb
with wb.deploy(wb.sample("pricing"), "vm") as service:
    cold = wb.labs.measure(wb.experiments.cold_start, service, samples=2000, draw=wb.charts.cold_start)
"""
KEPT = """
print(cold[0].complete, 0 < len(cold[0].samples) < 2000)
print([a.text for a in wb.charts.cold_start(cold).layout.annotations if "interrupted" in (a.text or "")] != [])
print(wb.labs.cleanup.settled())
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, BlockingKernelClient]]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    manager, client = start_new_kernel()
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


def outputs(client: BlockingKernelClient, until: str = "") -> str:
    """What the kernel shows, as text, until it is idle or has shown `until` in a bar of its own."""
    seen = ""
    while True:
        message = client.get_iopub_msg(timeout=60)
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            seen += content["text"]
        elif kind in ("display_data", "execute_result"):
            seen += content["data"].get("text/plain", "")
        elif kind == "error":
            seen += "\n".join(content["traceback"])
        elif kind in ("comm_open", "comm_msg"):
            seen += str(content["data"].get("state", {}).get("value", ""))
        idle = kind == "status" and content["execution_state"] == "idle"
        if idle or (until and until in seen):
            return seen


def test_the_samples_so_far_are_kept_and_marked(kernel: tuple[Any, BlockingKernelClient]) -> None:
    manager, client = kernel
    client.execute(MEASURE)
    shown = outputs(client, until=" left")
    assert " of 2001" in shown  # steps, and once there are two of them the time that is left
    manager.interrupt_kernel()
    shown = outputs(client)
    assert "Interrupted" in shown
    assert "Kept are the samples so far (vm " in shown
    assert ", interrupted" in shown  # the bar too
    client.execute(KEPT)
    shown = outputs(client)
    assert shown.splitlines()[:2] == ["False True", "True"], shown
    assert shown.splitlines()[2].startswith("nothing"), shown
