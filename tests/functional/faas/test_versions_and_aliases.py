"""Published versions and aliases, through plain boto3: waiters and paginators included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import CODE, ROLE, Platform, zipped


def answering(text: str) -> bytes:
    return zipped(app=f"def handler(event, context):\n    return [{text!r}, context.function_version]\n")


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """The code and the message of the error that `call` ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


@pytest.fixture
def released(platform: Platform) -> Iterator[str]:
    """A function with versions 1 and 2, and other code in $LATEST."""
    name = platform.create(answering("one"), Description="first")
    platform.client.publish_version(FunctionName=name)
    platform.client.update_function_code(FunctionName=name, ZipFile=answering("two"), Publish=True)
    platform.client.update_function_code(FunctionName=name, ZipFile=answering("latest"))
    yield name
    platform.delete(name)


def test_a_version_keeps_what_it_was(platform: Platform, released: str) -> None:
    assert platform.value(released) == ["latest", "$LATEST"]
    assert platform.value(released, Qualifier="1") == ["one", "1"]
    assert platform.value(f"{released}:2") == ["two", "2"]
    answer = platform.invoke(released, Qualifier="2")
    assert answer["ExecutedVersion"] == "2"
    arn = platform.client.get_function(FunctionName=released)["Configuration"]["FunctionArn"]
    shown = platform.client.get_function(FunctionName=released, Qualifier="1")["Configuration"]
    assert (shown["FunctionArn"], shown["Version"], shown["Description"]) == (f"{arn}:1", "1", "first")
    platform.client.get_waiter("published_version_active").wait(FunctionName=released, Qualifier="1")
    code, _ = refused(platform.client.update_function_configuration, FunctionName=f"{released}:1", Timeout=9)
    assert code == "InvalidParameterValueException"
    assert refused(platform.client.get_function, FunctionName=released, Qualifier="7") == (
        "ResourceNotFoundException",
        f"Function not found: {arn}:7",
    )


def test_the_handler_sees_by_which_arn_it_was_called(platform: Platform) -> None:
    name = platform.create(CODE, Publish=True)
    platform.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arn = platform.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    assert platform.value(name)["arn"] == arn
    assert platform.value(name, Qualifier="1")["arn"] == f"{arn}:1"
    assert platform.value(f"{arn}:live")["arn"] == f"{arn}:live"
    platform.delete(name)


def test_an_unchanged_function_is_published_once(platform: Platform, function: str) -> None:
    first = platform.client.publish_version(FunctionName=function, Description="as released")
    again = platform.client.publish_version(FunctionName=function)
    assert first["Version"] == again["Version"] == "1"
    assert again["Description"] == "as released"
    platform.client.update_function_configuration(FunctionName=function, Timeout=7)
    assert platform.client.publish_version(FunctionName=function)["Version"] == "2"


def test_publishing_can_be_bound_to_what_is_published(platform: Platform, function: str) -> None:
    publish = platform.client.publish_version
    code, text = refused(publish, FunctionName=function, CodeSha256="other")
    assert code == "InvalidParameterValueException"
    assert "CodeSHA256 (other) is different" in text
    assert refused(publish, FunctionName=function, RevisionId="other")[0] == "PreconditionFailedException"
    now = platform.client.get_function_configuration(FunctionName=function)
    version = publish(FunctionName=function, CodeSha256=now["CodeSha256"], RevisionId=now["RevisionId"])
    assert version["FunctionArn"] == now["FunctionArn"] + ":1"


def test_versions_and_functions_are_listed_in_pages(platform: Platform, released: str) -> None:
    pages = platform.client.get_paginator("list_versions_by_function").paginate(
        FunctionName=released, PaginationConfig={"PageSize": 2}
    )
    listed = [version["Version"] for page in pages for version in page["Versions"]]
    assert listed == ["$LATEST", "1", "2"]
    everything = platform.client.get_paginator("list_functions").paginate(
        FunctionVersion="ALL", PaginationConfig={"PageSize": 1}
    )
    arns = [f["FunctionArn"] for page in everything for f in page["Functions"] if f["FunctionName"] == released]
    assert [arn.rpartition(":")[2] for arn in arns] == ["$LATEST", "1", "2"]
    assert refused(platform.client.list_functions, Marker="nonsense")[0] == "InvalidParameterValueException"


def test_a_deleted_version_is_gone_and_its_number_not_given_again(platform: Platform, released: str) -> None:
    delete = platform.client.delete_function
    platform.client.create_alias(FunctionName=released, Name="live", FunctionVersion="2")
    code, text = refused(delete, FunctionName=released, Qualifier="2")
    assert code == "ResourceConflictException"
    assert "live" in text
    platform.client.delete_alias(FunctionName=released, Name="live")
    delete(FunctionName=released, Qualifier="2")
    assert refused(platform.client.invoke, FunctionName=released, Qualifier="2")[0] == "ResourceNotFoundException"
    assert platform.value(released, Qualifier="1") == ["one", "1"]
    assert platform.client.publish_version(FunctionName=released)["Version"] == "3"
    assert refused(delete, FunctionName=released, Qualifier="$LATEST")[0] == "InvalidParameterValueException"


def test_a_deleted_function_takes_versions_and_aliases_along(platform: Platform, released: str) -> None:
    platform.client.create_alias(FunctionName=released, Name="live", FunctionVersion="2")
    platform.client.delete_function(FunctionName=released)
    for qualifier in ("1", "live", "$LATEST"):
        code, _ = refused(platform.client.get_function, FunctionName=released, Qualifier=qualifier)
        assert code == "ResourceNotFoundException"
    created = platform.client.create_function(
        FunctionName=released, Runtime="python3.11", Role=ROLE, Handler="app.handler", Publish=True,
        Code={"ZipFile": CODE},
    )  # fmt: skip
    assert created["Version"] == "3", "a version's number is never given again"


def test_an_alias_leads_to_its_version(platform: Platform, released: str) -> None:
    client = platform.client
    made = client.create_alias(FunctionName=released, Name="live", FunctionVersion="1", Description="what is used")
    assert made["AliasArn"].endswith(f":function:{released}:live")
    assert platform.value(released, Qualifier="live") == ["one", "1"]
    shown = client.get_function_configuration(FunctionName=released, Qualifier="live")
    assert (shown["FunctionArn"], shown["Version"]) == (made["AliasArn"], "1")
    assert refused(client.update_alias, FunctionName=released, Name="live", RevisionId="other")[0] == (
        "PreconditionFailedException"
    )
    moved = client.update_alias(FunctionName=released, Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "what is used")
    assert moved["RevisionId"] != made["RevisionId"]
    assert platform.value(made["AliasArn"]) == ["two", "2"]
    assert client.get_alias(FunctionName=released, Name="live")["FunctionVersion"] == "2"
    client.delete_alias(FunctionName=released, Name="live")
    code, text = refused(client.get_alias, FunctionName=released, Name="live")
    assert (code, text) == ("ResourceNotFoundException", f"Cannot find alias arn: {made['AliasArn']}")


def test_an_alias_divides_its_invocations_by_weight(platform: Platform, released: str) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    made = platform.client.create_alias(
        FunctionName=released, Name="canary", FunctionVersion="1", RoutingConfig=weights
    )
    assert made["RoutingConfig"] == weights
    seen = Counter(platform.invoke(released, Qualifier="canary")["ExecutedVersion"] for _ in range(60))
    assert set(seen) == {"1", "2"}, "with even chances, one of them missing in 60 is a chance of 1 in 10^17"
    changed = platform.client.update_alias(FunctionName=released, Name="canary", RoutingConfig={})
    assert "RoutingConfig" not in changed
    assert {platform.invoke(released, Qualifier="canary")["ExecutedVersion"] for _ in range(10)} == {"1"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"FunctionVersion": "9"}, "ResourceNotFoundException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"9": 0.1}}}, "ResourceNotFoundException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}}, "InvalidParameterValueException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.1}}}, "ValidationException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1, "3": 0.1}}}, "InvalidParameterValueException"),
        (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
            "InvalidParameterValueException",
        ),
        ({"Name": "123"}, "ValidationException"),
        ({"FunctionName": "fn:1"}, "InvalidParameterValueException"),
    ],
)
def test_what_cannot_be_an_alias(platform: Platform, released: str, change: dict[str, Any], code: str) -> None:
    values = {"FunctionName": released, "Name": "live", "FunctionVersion": "1", **change}
    assert refused(platform.client.create_alias, **values)[0] == code
    assert platform.client.list_aliases(FunctionName=released)["Aliases"] == []


def test_aliases_are_listed_by_version_and_in_pages(platform: Platform, released: str) -> None:
    client = platform.client
    for name, version in (("a", "1"), ("b", "2"), ("c", "$LATEST")):
        client.create_alias(FunctionName=released, Name=name, FunctionVersion=version)
    pages = list(client.get_paginator("list_aliases").paginate(FunctionName=released, PaginationConfig={"PageSize": 1}))
    assert [alias["Name"] for page in pages for alias in page["Aliases"]] == ["a", "b", "c"]
    assert len(pages) == 3
    of_two = client.list_aliases(FunctionName=released, FunctionVersion="2")["Aliases"]
    assert [alias["Name"] for alias in of_two] == ["b"]
    taken = refused(client.create_alias, FunctionName=released, Name="a", FunctionVersion="2")
    assert taken[0] == "ResourceConflictException"
