"""How instances come to be: each technique through the API, SnapStart, and instances kept ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import ROLE, Platform, eventually, zipped
from tests.needs import needs

pytestmark = needs("namespaces")

SEEDED = """
import os, random, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot

BORN = uuid.uuid4().hex
HOOKS = []

@register_before_snapshot
def before():
    HOOKS.append("before")

@register_after_restore
def after():
    HOOKS.append("after")

def handler(event, context):
    return {
        "born": BORN, "drawn": random.random(), "hooks": HOOKS, "pid": os.getpid(),
        "version": context.function_version, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "arn": context.invoked_function_arn,
    }
"""


@pytest.fixture(scope="module")
def boxed() -> Iterator[Platform]:
    with Platform("--freeze-after-s", "0.01", isolation="namespaces") as running:
        yield running


@pytest.fixture
def seeded(boxed: Platform) -> Iterator[str]:
    name = boxed.create(zipped(app=SEEDED))
    yield name
    boxed.delete(name)


def cold(platform: Platform, name: str, technique: str) -> tuple[dict[str, Any], dict[str, str]]:
    path = f"/2015-03-31/functions/{name}/invocations"
    answer = platform.raw("POST", path, b"{}", {"X-Workbench-Cold": technique})
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content), {k.lower(): v for k, v in answer.headers.items()}


@pytest.mark.parametrize("technique", ["spawn", "zygote", "snapshot"])
def test_a_cold_start_is_forced_by_the_technique_that_is_named(boxed: Platform, seeded: str, technique: str) -> None:
    seen = set()
    for _ in range(3):
        _, headers = cold(boxed, seeded, technique)
        assert headers["x-workbench-cold"] == "1"
        seen.add(headers["x-workbench-instance"])
        phases = json.loads(headers["x-workbench-phases"])
        assert all(phases[f"{phase}_ms"] >= 0 for phase in ("sandbox", "runtime_init", "function_init", "handler"))
        assert boxed.instances(seeded)[-1]["technique"] == technique
    assert len(seen) == 3


def test_a_technique_that_is_none_is_refused_with_those_there_are(boxed: Platform, seeded: str) -> None:
    answer = boxed.raw("POST", f"/2015-03-31/functions/{seeded}/invocations", b"{}", {"X-Workbench-Cold": "teleport"})
    assert answer.status_code == 400
    assert "snapshot, spawn, zygote" in answer.text


def test_a_version_with_snap_start_is_forked_from_its_snapshot(boxed: Platform, seeded: str) -> None:
    boxed.client.update_function_configuration(FunctionName=seeded, SnapStart={"ApplyOn": "PublishedVersions"})
    version = boxed.client.publish_version(FunctionName=seeded)["Version"]
    boxed.client.get_waiter("published_version_active").wait(FunctionName=seeded, Qualifier=version)
    settings = boxed.client.get_function_configuration(FunctionName=seeded, Qualifier=version)
    assert settings["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    first = boxed.value(seeded, Qualifier=version)
    (instance,) = boxed.instances(seeded)
    boxed.ask("DELETE", f"functions/{seeded}/instances/{instance['instance_id']}")
    second = boxed.value(seeded, Qualifier=version)
    assert instance["technique"] == "snapshot"
    assert (first["type"], first["version"]) == ("snap-start", version)
    assert first["arn"].endswith(f":{seeded}:{version}")
    assert first["hooks"] == second["hooks"] == ["before", "after"]
    assert first["born"] == second["born"], "what init drew is in the snapshot"
    assert first["drawn"] != second["drawn"], "what the handler draws is not"
    assert boxed.value(seeded)["born"] != first["born"]


def test_publishing_a_version_whose_init_fails_says_so(boxed: Platform) -> None:
    name = boxed.create(zipped(app="raise RuntimeError('no catalogue')\n"), SnapStart={"ApplyOn": "PublishedVersions"})
    version = boxed.client.publish_version(FunctionName=name)["Version"]

    def state() -> Any:
        found = boxed.client.get_function_configuration(FunctionName=name, Qualifier=version)
        return found if found["State"] == "Failed" else None

    assert "no catalogue" in eventually(state)["StateReason"]
    boxed.delete(name)


def test_instances_kept_ready_answer_without_a_cold_start(boxed: Platform, seeded: str) -> None:
    client = boxed.client
    version = client.publish_version(FunctionName=seeded)["Version"]
    client.create_alias(FunctionName=seeded, Name="live", FunctionVersion=version)
    asked = client.put_provisioned_concurrency_config(
        FunctionName=seeded, Qualifier="live", ProvisionedConcurrentExecutions=2
    )
    assert asked["RequestedProvisionedConcurrentExecutions"] == 2

    def ready() -> Any:
        found = client.get_provisioned_concurrency_config(FunctionName=seeded, Qualifier="live")
        return found if found["Status"] == "READY" else None

    assert eventually(ready)["AvailableProvisionedConcurrentExecutions"] == 2
    before = {i["instance_id"] for i in boxed.instances(seeded)}
    answer = boxed.invoke(seeded, Qualifier="live")
    assert answer["Headers"]["x-workbench-cold"] == "0"
    assert answer["Headers"]["x-workbench-instance"] in before
    assert json.loads(answer["Body"])["type"] == "provisioned-concurrency"
    for instance in before:
        boxed.ask("DELETE", f"functions/{seeded}/instances/{instance}")
    eventually(ready)
    assert not before & {i["instance_id"] for i in boxed.instances(seeded)}
    client.delete_provisioned_concurrency_config(FunctionName=seeded, Qualifier="live")
    eventually(lambda: not boxed.instances(seeded))


def test_a_frozen_instance_does_nothing_between_invocations(boxed: Platform) -> None:
    ticking = """
import threading, time
TICKS = 0

def tick():
    global TICKS
    while True:
        TICKS += 1
        time.sleep(0.005)

threading.Thread(target=tick, daemon=True).start()

def handler(event, context):
    return TICKS
"""
    name = boxed.create(zipped(app=ticking))
    before = boxed.value(name)
    eventually(lambda: boxed.instances(name)[0]["state"] == "frozen")
    held = boxed.ask("GET", f"functions/{name}/instances")["instances"][0]["cpu_s"]
    for _ in range(40):  # as long as a hundred ticks take
        assert boxed.instances(name)[0]["cpu_s"] == held
    assert boxed.value(name) < before + 100
    boxed.delete(name)


def test_a_platform_may_spawn_every_instance() -> None:
    with Platform("--cold-start", "spawn", isolation="namespaces") as plain:
        name = plain.create()
        plain.value(name)
        assert plain.instances(name)[0]["technique"] == "spawn"


def test_a_technique_that_no_platform_has_is_refused() -> None:
    with pytest.raises(RuntimeError, match="before it was ready"):
        Platform("--cold-start", "snapshot", isolation="namespaces")


def test_snap_start_is_refused_where_no_snapshot_can_be_made(platform: Platform) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        platform.client.create_function(
            FunctionName="no-snapshot",
            Role=ROLE,
            Code={"ZipFile": zipped(app=SEEDED)},
            Runtime="nodejs20.x",
            Handler="app.handler",
            SnapStart={"ApplyOn": "PublishedVersions"},
        )
