"""Every operation on functions, through plain boto3."""

from __future__ import annotations

import base64
import hashlib
import urllib.request
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.faas.platform import CODE, ROLE, Platform, zipped


def error_code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_created_function_is_active_and_shown_as_given(platform: Platform) -> None:
    created = platform.client.create_function(
        FunctionName="shown",
        Runtime="python3.11",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": CODE},
        Description="what it is",
        Environment={"Variables": {"GREETING": "hello"}},
        EphemeralStorage={"Size": 600},
        Tags={"team": "a"},
        Publish=True,
    )
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:shown"
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(CODE).digest()).decode()
    assert (created["CodeSize"], created["Timeout"], created["MemorySize"]) == (len(CODE), 3, 128)
    platform.client.get_waiter("function_exists").wait(FunctionName="shown")
    platform.client.get_waiter("function_active_v2").wait(FunctionName="shown")
    found = platform.client.get_function(FunctionName="shown")
    configuration = platform.client.get_function_configuration(FunctionName="shown")
    assert found["Tags"] == {"team": "a"}
    assert configuration["Environment"] == {"Variables": {"GREETING": "hello"}}
    assert configuration["EphemeralStorage"] == {"Size": 600}
    assert {k: v for k, v in configuration.items() if k != "ResponseMetadata"} == found["Configuration"]
    with urllib.request.urlopen(found["Code"]["Location"]) as code:
        assert code.read() == CODE
    platform.client.delete_function(FunctionName="shown")
    with pytest.raises(ClientError) as caught:
        platform.client.get_function(FunctionName="shown")
    assert error_code(caught) == "ResourceNotFoundException"


def test_a_function_is_found_by_name_partial_and_full_arn(platform: Platform, function: str) -> None:
    arn = platform.client.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    for name in (function, f"000000000000:function:{function}", f"function:{function}", arn, f"{arn}:$LATEST"):
        expected = name if name.endswith("$LATEST") else arn
        assert platform.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"] == expected
        assert platform.value(name)["name"] == function
    with pytest.raises(ClientError) as caught:
        platform.client.get_function(FunctionName=function, Qualifier="7")
    assert error_code(caught) == "ResourceNotFoundException"


def test_functions_are_listed_in_pages(platform: Platform) -> None:
    names = sorted(platform.create() for _ in range(5))
    pages = list(platform.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [f["FunctionName"] for page in pages for f in page["Functions"]]
    assert len(pages) >= 3
    assert set(names) <= set(listed)
    assert listed == sorted(listed)
    for name in names:
        platform.delete(name)


def test_updated_code_answers_after_the_waiter(platform: Platform, function: str) -> None:
    before = platform.client.get_function_configuration(FunctionName=function)
    new = zipped(app="def handler(event, context):\n    return 'new'\n")
    tried = platform.client.update_function_code(FunctionName=function, ZipFile=new, DryRun=True)
    assert tried["CodeSha256"] != before["CodeSha256"]
    assert platform.value(function) != "new", "a dry run changes nothing"
    changed = platform.client.update_function_code(FunctionName=function, ZipFile=new)
    assert changed["RevisionId"] != before["RevisionId"]
    platform.client.get_waiter("function_updated_v2").wait(FunctionName=function)
    assert platform.value(function) == "new"


def test_updated_settings_are_in_force_and_the_rest_stays(platform: Platform, function: str) -> None:
    platform.value(function)
    changed = platform.client.update_function_configuration(
        FunctionName=function, MemorySize=512, Environment={"Variables": {"GREETING": "moin"}}
    )
    assert (changed["MemorySize"], changed["Timeout"]) == (512, 20)
    answer = platform.value(function)
    assert (answer["variable"], answer["memory"]) == ("moin", "512")
    with pytest.raises(ClientError) as caught:
        platform.client.update_function_configuration(FunctionName=function, RevisionId="another", Timeout=5)
    assert error_code(caught) == "PreconditionFailedException"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Runtime": "ruby3.3"}, "InvalidParameterValueException"),
        ({"Runtime": "python2.7"}, "InvalidParameterValueException"),
        ({"Runtime": "python9.9"}, "ValidationException"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "InvalidParameterValueException"),
        ({"FunctionName": "no:3"}, "InvalidParameterValueException"),
        ({"Tags": {f"k{n}": "v" for n in range(51)}}, "InvalidParameterValueException"),
        ({"Tags": {"a": "\t"}}, "ValidationException"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:no:1"]}, "InvalidParameterValueException"),
        ({"MemorySize": 64}, "ValidationException"),
        ({"MemorySize": 20000}, "InvalidParameterValueException"),
        ({"Timeout": 0}, "ValidationException"),
        ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "InvalidParameterValueException"),
        ({"Role": "me"}, "ValidationException"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException"),
        ({"PackageType": "Image"}, "InvalidParameterValueException"),
        ({"FunctionName": "a" * 65}, "InvalidParameterValueException"),
    ],
)
def test_what_cannot_be_created_is_refused(platform: Platform, change: dict[str, Any], code: str) -> None:
    values = {"FunctionName": "no", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler"}
    client = platform.client_with(config=Config(parameter_validation=False))  # the platform's checks, not boto3's
    with pytest.raises(ClientError) as caught:
        client.create_function(**{**values, "Code": {"ZipFile": CODE}, **change})
    assert error_code(caught) == code
    with pytest.raises(ClientError):
        platform.client.get_function(FunctionName="no")


def test_a_name_is_taken_once(platform: Platform, function: str) -> None:
    with pytest.raises(ClientError) as caught:
        platform.client.create_function(
            FunctionName=function, Runtime="python3.11", Role=ROLE, Handler="a.b", Code={"ZipFile": CODE}
        )
    assert error_code(caught) == "ResourceConflictException"


def test_concurrency_is_set_read_and_lifted(platform: Platform, function: str) -> None:
    limit = platform.client.get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] == limit["UnreservedConcurrentExecutions"] > 0
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=3)
    assert platform.client.get_function_concurrency(FunctionName=function)["ReservedConcurrentExecutions"] == 3
    assert platform.client.get_function(FunctionName=function)["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    after = platform.client.get_account_settings()["AccountLimit"]
    assert after["UnreservedConcurrentExecutions"] == limit["ConcurrentExecutions"] - 3
    with pytest.raises(ClientError) as caught:
        platform.client.put_function_concurrency(
            FunctionName=function, ReservedConcurrentExecutions=limit["ConcurrentExecutions"]
        )
    assert error_code(caught) == "InvalidParameterValueException"
    platform.client.delete_function_concurrency(FunctionName=function)
    assert "ReservedConcurrentExecutions" not in platform.client.get_function_concurrency(FunctionName=function)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_code_signing_config", {"AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:signer::1:x"]}}),
        ("list_capacity_providers", {}),
        ("create_event_source_mapping", {"FunctionName": "f", "EventSourceArn": "arn:aws:sqs:us-east-1:1:q"}),
        ("get_durable_execution", {"DurableExecutionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:1/x/y/z"}),
    ],
)
def test_an_operation_that_is_not_supported_is_named(
    platform: Platform, operation: str, arguments: dict[str, Any]
) -> None:
    client = platform.client_with(config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    name = operation.title().replace("_", "")
    with pytest.raises(ClientError, match=f"{name} is an operation") as caught:
        getattr(client, operation)(**arguments)
    assert error_code(caught) == "OperationNotSupportedException"
