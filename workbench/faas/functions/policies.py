"""Resource policies of functions: statements as AddPermission writes them, and what they allow.

Only what AddPermission can write is evaluated: Allow statements with the operators that it uses. Shapes as in the AWS
Lambda developer guide ("Viewing resource-based IAM policies in Lambda", "Control access to Lambda function URLs").
Of the two actions that AWS asks for on new URLs since October 2025, lambda:InvokeFunctionUrl alone decides here.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.faas.aws_errors import AwsError, invalid

INVOKE_URL = "lambda:InvokeFunctionUrl"
MAX_POLICY_BYTES = 20 * 1024
"""Largest resource policy of a function (Lambda quotas)."""

Statement = dict[str, Any]


def statement(given: Mapping[str, Any], resource: str) -> Statement:
    """AddPermission's input as a statement on `resource` (an ARN); raises AwsError when it contradicts itself."""
    action = given["Action"]
    if given.get("FunctionUrlAuthType") and action != INVOKE_URL:
        raise invalid(f"FunctionUrlAuthType is only supported for the {INVOKE_URL} action.")
    made: Statement = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(given["Principal"]),
        "Action": action,
        "Resource": resource,
    }
    condition = _condition(given)
    if condition:
        made["Condition"] = condition
    return made


def _principal(given: str) -> object:
    if given == "*":
        return "*"
    if re.fullmatch(r"\d{12}", given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    if given.startswith("arn:"):
        return {"AWS": given}
    if re.fullmatch(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|alexa\.com)", given):
        return {"Service": given}
    raise invalid(f"The provided principal was invalid: {given}. Use a service, an account, an ARN or *.")


def _condition(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    equals = {
        "AWS:SourceAccount": given.get("SourceAccount"),
        "aws:PrincipalOrgID": given.get("PrincipalOrgID"),
        "lambda:EventSourceToken": given.get("EventSourceToken"),
        "lambda:FunctionUrlAuthType": given.get("FunctionUrlAuthType"),
    }
    via_url = given.get("InvokedViaFunctionUrl")
    operators = {
        "StringEquals": {key: value for key, value in equals.items() if value is not None},
        "ArnLike": {"AWS:SourceArn": given["SourceArn"]} if given.get("SourceArn") else {},
        "Bool": {"lambda:InvokedViaFunctionUrl": str(via_url).lower()} if via_url is not None else {},
    }
    return {operator: values for operator, values in operators.items() if values}


def document(statements: Iterable[Statement]) -> str:
    """The policy as GetPolicy gives it; raises AwsError when it is too large."""
    text = json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}, separators=(",", ":"))
    if len(text.encode()) > MAX_POLICY_BYTES:
        raise AwsError(
            "PolicyLengthExceededException",
            f"The final policy size ({len(text.encode())}) is bigger than the limit ({MAX_POLICY_BYTES}).",
            Type="User",
        )
    return text


def allows(
    statements: Iterable[Statement], *, action: str, resource: str, context: Mapping[str, str], principal: str = "*"
) -> bool:
    """Whether a caller may do `action` on `resource`.

    `principal` is an ARN or a service's name, "*" is anybody; `context` are the values of condition keys, in any case.
    """
    known = {key.lower(): value for key, value in context.items()}
    return any(
        _is(one["Principal"], principal)
        and fnmatch.fnmatchcase(action, one["Action"])
        and one["Resource"] == resource
        and all(
            key.lower() in known and _holds(operator, wanted, known[key.lower()])
            for operator, values in one.get("Condition", {}).items()
            for key, wanted in values.items()
        )
        for one in statements
        if one["Effect"] == "Allow"
    )


def _is(stated: object, principal: str) -> bool:
    names = {stated} if isinstance(stated, str) else set(stated.values()) if isinstance(stated, dict) else set()
    if "*" in names or principal in names:
        return True
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    return bool(account) and f"arn:aws:iam::{account}:root" in names


def _holds(operator: str, wanted: str, value: str) -> bool:
    if operator == "ArnLike":
        ours, theirs = wanted.split(":", 5), value.split(":", 5)
        return len(ours) == len(theirs) and all(map(_like, theirs, ours))
    return wanted.lower() == value.lower() if operator == "Bool" else wanted == value


def _like(value: str, pattern: str) -> bool:
    """`*` and `?` as IAM has them; all else, brackets too, stands for itself."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))
