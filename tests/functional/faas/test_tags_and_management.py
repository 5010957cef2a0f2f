"""Tags, the account's limits, and what is kept and shown though it has no effect on one machine."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.faas.platform import CODE, Platform


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def arn(platform: Platform, function: str) -> str:
    found = platform.client.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    return str(found)


def test_tags_are_set_read_and_taken_away(platform: Platform, function: str, arn: str) -> None:
    client = platform.client
    revision = client.get_function_configuration(FunctionName=function)["RevisionId"]
    client.tag_resource(Resource=arn, Tags={"team": "blue", "stage": "test"})
    client.tag_resource(Resource=arn, Tags={"stage": "live"})
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "blue", "stage": "live"}
    client.untag_resource(Resource=arn, TagKeys=["team", "absent"])
    shown = client.get_function(FunctionName=function)
    assert shown["Tags"] == {"stage": "live"}
    assert shown["Configuration"]["RevisionId"] == revision, "tags are no part of the configuration"


def test_tags_that_cannot_be(platform: Platform, arn: str) -> None:
    tag = platform.client.tag_resource
    assert code_of(tag, Resource=arn, Tags={f"k{n}": "v" for n in range(51)}) == "InvalidParameterValueException"
    assert code_of(tag, Resource=arn, Tags={"aws:mine": "v"}) == "InvalidParameterValueException"
    assert code_of(tag, Resource=f"{arn}:1", Tags={"a": "b"}) == "InvalidParameterValueException"
    assert code_of(tag, Resource=f"{arn}-absent", Tags={"a": "b"}) == "ResourceNotFoundException"
    assert code_of(tag, Resource=arn, Tags={"a": "line\nend"}) == "ValidationException"
    mapping = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:fa123456-14a1-4fd2-9fec-83de64ad683d"
    assert code_of(platform.client.list_tags, Resource=mapping) == "ResourceNotFoundException"
    tag(Resource=arn, Tags={"ключ é_.:/=+-@ 7": "значение"})


def test_code_is_counted_once(platform: Platform) -> None:
    before = platform.client.get_account_settings()["AccountUsage"]
    first, second = platform.create(CODE + b""), platform.create(CODE, Publish=True)
    after = platform.client.get_account_settings()["AccountUsage"]
    assert after["FunctionCount"] == before["FunctionCount"] + 2
    assert after["TotalCodeSize"] - before["TotalCodeSize"] in (0, len(CODE)), "another test's function may have it too"
    platform.delete(first)
    platform.delete(second)


def test_runtime_management_is_kept(platform: Platform, function: str, arn: str) -> None:
    client = platform.client
    shown = client.get_runtime_management_config(FunctionName=function)
    assert (shown["UpdateRuntimeOn"], shown["FunctionArn"]) == ("Auto", f"{arn}:$LATEST")
    runtime = client.get_function_configuration(FunctionName=function)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    put = client.put_runtime_management_config
    assert code_of(put, FunctionName=function, UpdateRuntimeOn="Manual") == "InvalidParameterValueException"
    put(FunctionName=function, UpdateRuntimeOn="Manual", RuntimeVersionArn=runtime)
    assert client.get_runtime_management_config(FunctionName=function)["RuntimeVersionArn"] == runtime
    put(FunctionName=function, UpdateRuntimeOn="FunctionUpdate")
    assert "RuntimeVersionArn" not in client.get_runtime_management_config(FunctionName=function)


def test_recursion_and_code_signing(platform: Platform, function: str) -> None:
    client = platform.client
    assert client.get_function_recursion_config(FunctionName=function)["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
    assert client.get_function_recursion_config(FunctionName=function)["RecursiveLoop"] == "Allow"
    assert client.get_function_code_signing_config(FunctionName=function)["FunctionName"] == function
    free = platform.client_with(config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    assert code_of(free.get_function_recursion_config, FunctionName="absent") == "ResourceNotFoundException"
