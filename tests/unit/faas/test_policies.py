"""Statements as AddPermission writes them, and whom they let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.policies import INVOKE_URL, allows, document, statement

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
PUBLIC = {"lambda:FunctionUrlAuthType": "NONE", "lambda:InvokedViaFunctionUrl": "true"}


def made(**given: Any) -> dict[str, Any]:
    return statement({"StatementId": "s", "Action": INVOKE_URL, "Principal": "*", **given}, ARN)


def test_a_statement_reads_as_aws_writes_it() -> None:
    found = statement(
        {
            "StatementId": "s3-invoke",
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::bucket",
            "SourceAccount": "123456789012",
        },
        ARN,
    )
    assert found == {
        "Sid": "s3-invoke",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "123456789012"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(document([found])) == {"Version": "2012-10-17", "Id": "default", "Statement": [found]}


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
    ],
)
def test_principals(principal: str, shown: object) -> None:
    assert made(Principal=principal)["Principal"] == shown


def test_a_principal_that_is_none_is_refused() -> None:
    with pytest.raises(AwsError, match="principal was invalid"):
        made(Principal="everyone")


def test_a_url_condition_belongs_to_the_url_action_alone() -> None:
    with pytest.raises(AwsError, match="only supported for"):
        made(Action="lambda:InvokeFunction", FunctionUrlAuthType="NONE")


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"FunctionUrlAuthType": "NONE"}, True),
        ({}, True),
        ({"Action": "lambda:*"}, True),
        ({"Action": "*"}, True),
        ({"InvokedViaFunctionUrl": True}, True),
        ({"FunctionUrlAuthType": "AWS_IAM"}, False),
        ({"InvokedViaFunctionUrl": False}, False),
        ({"Action": "lambda:InvokeFunction"}, False),
        ({"Principal": "123456789012"}, False),
        ({"Principal": "s3.amazonaws.com"}, False),
        ({"SourceArn": "arn:aws:s3:::bucket"}, False),
        ({"SourceAccount": "123456789012"}, False),
        ({"PrincipalOrgID": "o-1234567890"}, False),
    ],
)
def test_anybody_may_call_a_url_only_where_a_statement_says_so(given: dict[str, Any], allowed: bool) -> None:
    assert allows([made(**given)], action=INVOKE_URL, resource=ARN, context=PUBLIC) is allowed


def test_a_statement_holds_for_its_own_resource() -> None:
    assert not allows([made()], action=INVOKE_URL, resource=f"{ARN}:live", context=PUBLIC)


@pytest.mark.parametrize(
    ("pattern", "source", "holds"),
    [
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", True),
        ("arn:aws:s3:::buck*", "arn:aws:s3:::bucket", True),
        ("arn:aws:sqs:*:1:q", "arn:aws:sqs:eu-west-1:1:q", True),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:1:q", False),  # a star stays within its part, but for the last
        ("arn:aws:s3:::b[ab]", "arn:aws:s3:::ba", False),
        ("arn:aws:s3:::other", "arn:aws:s3:::bucket", False),
    ],
)
def test_sources_are_compared_part_by_part(pattern: str, source: str, holds: bool) -> None:
    one = made(Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn=pattern)
    found = allows(
        [one],
        action="lambda:InvokeFunction",
        resource=ARN,
        context={"aws:SourceArn": source},
        principal="s3.amazonaws.com",
    )
    assert found is holds


def test_an_account_stands_for_its_users() -> None:
    user = "arn:aws:iam::123456789012:user/u"
    one = made(Principal="123456789012")
    assert allows([one], action=INVOKE_URL, resource=ARN, context=PUBLIC, principal=user)
    assert not allows([one], action=INVOKE_URL, resource=ARN, context=PUBLIC, principal=user.replace("1", "2"))


@given(
    statements=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "Action": st.sampled_from(["lambda:InvokeFunction", "lambda:GetFunction"]),
                "Principal": st.sampled_from(["123456789012", "s3.amazonaws.com"]),
                "SourceArn": st.just("arn:aws:s3:::b"),
            },
        ).filter(bool),
        max_size=6,
    )
)
def test_statements_that_each_say_less_than_anybody_never_add_up_to_it(statements: list[dict[str, Any]]) -> None:
    assert not allows([made(**one) for one in statements], action=INVOKE_URL, resource=ARN, context=PUBLIC)


def test_a_policy_has_a_largest_size() -> None:
    many = [{**made(), "Sid": "x" * 100 + str(n)} for n in range(120)]
    with pytest.raises(AwsError, match="bigger than the limit") as caught:
        document(many)
    assert caught.value.code == "PolicyLengthExceededException"
