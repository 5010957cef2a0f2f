"""Provisioned concurrency and SnapStart as an SDK asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import CODE, ROLE, Platform, eventually, zipped
from tests.needs import needs


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


@pytest.fixture
def published(platform: Platform) -> Iterator[str]:
    """A function with versions 1 and 2."""
    name = platform.create(CODE, Publish=True, MemorySize=256)
    platform.client.update_function_configuration(FunctionName=name, Description="another")
    platform.client.publish_version(FunctionName=name)
    yield name
    platform.delete(name)


def ready(platform: Platform, name: str, qualifier: str) -> Any:
    def look() -> Any:
        found = platform.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        return found if found["Status"] == "READY" else None

    return eventually(look, 90)  # on a fresh machine the runtime is built first


def test_instances_are_ready_ahead_of_need(platform: Platform, published: str) -> None:
    put = platform.client.put_provisioned_concurrency_config
    asked = put(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=2)
    assert asked["RequestedProvisionedConcurrentExecutions"] == 2
    assert asked["Status"] in ("IN_PROGRESS", "READY")
    there = ready(platform, published, "1")
    assert there["AllocatedProvisionedConcurrentExecutions"] == 2
    assert platform.invoke(published, Qualifier="1")["Headers"]["x-workbench-cold"] == "0"
    platform.client.delete_provisioned_concurrency_config(FunctionName=published, Qualifier="1")
    code, text = refused(platform.client.get_provisioned_concurrency_config, FunctionName=published, Qualifier="1")
    assert code == "ProvisionedConcurrencyConfigNotFoundException"
    assert text == "No Provisioned Concurrency Config found for this function"


def test_an_aliass_instances_follow_it(platform: Platform, published: str) -> None:
    client = platform.client
    client.create_alias(FunctionName=published, Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(
        FunctionName=published, Qualifier="live", ProvisionedConcurrentExecutions=1
    )
    ready(platform, published, "live")
    client.update_alias(FunctionName=published, Name="live", FunctionVersion="2")
    ready(platform, published, "live")
    assert platform.invoke(published, Qualifier="2")["Headers"]["x-workbench-cold"] == "0"
    second = refused(
        client.put_provisioned_concurrency_config,
        FunctionName=published, Qualifier="2", ProvisionedConcurrentExecutions=1,
    )  # fmt: skip
    assert second[0] == "ResourceConflictException"
    client.delete_alias(FunctionName=published, Name="live")
    listed = client.list_provisioned_concurrency_configs(FunctionName=published)
    assert listed["ProvisionedConcurrencyConfigs"] == []


def test_configurations_are_listed_in_pages(platform: Platform, published: str) -> None:
    client = platform.client
    for qualifier in ("1", "2"):
        client.put_provisioned_concurrency_config(
            FunctionName=published, Qualifier=qualifier, ProvisionedConcurrentExecutions=1
        )
    pages = client.get_paginator("list_provisioned_concurrency_configs").paginate(
        FunctionName=published, PaginationConfig={"PageSize": 1}
    )
    arns = [c["FunctionArn"] for page in pages for c in page["ProvisionedConcurrencyConfigs"]]
    assert [arn.rpartition(":")[2] for arn in arns] == ["1", "2"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Qualifier": "$LATEST"}, "InvalidParameterValueException"),
        ({"Qualifier": "9"}, "ResourceNotFoundException"),
        ({"ProvisionedConcurrentExecutions": 10**9}, "InvalidParameterValueException"),
    ],
)
def test_what_cannot_be_provisioned(platform: Platform, published: str, change: dict[str, Any], code: str) -> None:
    values = {"FunctionName": published, "Qualifier": "1", "ProvisionedConcurrentExecutions": 1, **change}
    assert refused(platform.client.put_provisioned_concurrency_config, **values)[0] == code


def test_an_alias_of_latest_cannot_be_provisioned(platform: Platform, published: str) -> None:
    client = platform.client
    client.create_alias(FunctionName=published, Name="live", FunctionVersion="$LATEST")
    values = {"FunctionName": published, "Qualifier": "live", "ProvisionedConcurrentExecutions": 1}
    code, text = refused(client.put_provisioned_concurrency_config, **values)
    assert (code, text) == (
        "InvalidParameterValueException",
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    )
    client.update_alias(FunctionName=published, Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(**values)
    back = refused(client.update_alias, FunctionName=published, Name="live", FunctionVersion="$LATEST")
    assert "delete its configuration first" in back[1]


def test_it_counts_towards_what_is_reserved(platform: Platform, published: str) -> None:
    client = platform.client
    client.put_function_concurrency(FunctionName=published, ReservedConcurrentExecutions=2)
    put = client.put_provisioned_concurrency_config
    values = {"FunctionName": published, "Qualifier": "1"}
    assert "should not be greater" in refused(put, **values, ProvisionedConcurrentExecutions=3)[1]
    put(**values, ProvisionedConcurrentExecutions=2)
    lower = refused(client.put_function_concurrency, FunctionName=published, ReservedConcurrentExecutions=1)
    assert "should not be lower" in lower[1]


# ---- SnapStart -------------------------------------------------------------------------------------------------------

ONCE = zipped(
    app="import uuid\nDRAWN = uuid.uuid4().hex\ndef handler(event, context):\n    return [DRAWN, uuid.uuid4().hex]\n"
)
SNAP_START = {"ApplyOn": "PublishedVersions"}


@needs("namespaces")
def test_a_version_with_snap_start_runs_from_its_snapshot() -> None:
    with Platform(isolation="namespaces") as platform:
        name = platform.create(ONCE, SnapStart=SNAP_START, Publish=True, MemorySize=512)
        platform.client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        shown = platform.client.get_function_configuration(FunctionName=name, Qualifier="1")
        assert shown["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
        latest = platform.client.get_function_configuration(FunctionName=name)
        assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
        drawn = [platform.value(name, Qualifier="1")[0] for _ in range(2)]
        assert drawn[0] == drawn[1], "what init drew is in the snapshot"


@needs("namespaces")
def test_a_version_whose_init_fails_says_why() -> None:
    with Platform(isolation="namespaces") as platform:
        broken = zipped(app="raise RuntimeError('not today')\n")
        name = platform.create(broken, SnapStart=SNAP_START, MemorySize=512)
        made = platform.client.publish_version(FunctionName=name)
        assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")

        def failed() -> Any:
            shown = platform.client.get_function_configuration(FunctionName=name, Qualifier="1")
            return shown if shown["State"] == "Failed" else None

        shown = eventually(failed, 60)
        assert "not today" in shown["StateReason"]
        code, text = refused(platform.client.invoke, FunctionName=name, Qualifier="1")
        assert code == "ResourceConflictException"
        assert "Failed" in text


def test_snap_start_is_refused_where_it_cannot_be(platform: Platform) -> None:
    values = {"Runtime": "python3.11", "Role": ROLE, "Handler": "a.b", "Code": {"ZipFile": CODE}}
    code, _ = refused(
        platform.client.create_function,
        FunctionName="no", **values, SnapStart=SNAP_START, EphemeralStorage={"Size": 1024},
    )  # fmt: skip
    assert code == "InvalidParameterValueException"
