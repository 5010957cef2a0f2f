"""Objects that a browser posts to S3 as a form: its fields, and what the policy among them allows.

Amazon S3 API Reference, "Authenticating Requests: Browser-Based Uploads Using POST" and "POST Policy".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workbench.faas.aws_errors import AwsError

FORM = "multipart/form-data"

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?')
_NAME = re.compile(rb'\bname="([^"]*)"')
_FREE = {"awsaccesskeyid", "signature", "x-amz-signature", "policy", "file"}  # need no condition


def fields_of(content_type: str, body: bytes) -> dict[str, str]:
    """The fields before the file, by name in lower case; none in what is no form. Those after the file do not count.

    `file` is the file's size in bytes.
    """
    boundary = _BOUNDARY.search(content_type)
    found: dict[str, str] = {}
    if boundary is None:
        return found
    for part in body.split(b"--" + boundary[1].encode("latin-1"))[1:]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            break
        key, value = name[1].decode("utf-8", "replace").lower(), value.removesuffix(b"\r\n")
        if key == "file":
            found[key] = str(len(value))
            break
        found[key] = value.decode("utf-8", "replace")
    return found


def check_policy(fields: Mapping[str, str], bucket: str, now_epoch_s: float) -> None:
    """Raise AwsError unless the policy has not expired, and each field meets a condition of it."""
    try:
        policy = json.loads(base64.b64decode(fields["policy"]))
        conditions = [_three(condition) for condition in policy["conditions"]]
        until = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _denied("Invalid Policy: it needs an expiration and conditions, as JSON in Base64.") from error
    if now_epoch_s > until:
        raise _denied("Invalid according to Policy: Policy expired.")
    given = {**fields, "bucket": bucket}
    for rule, name, value in conditions:
        if not _met(rule, name, value, given):
            raise _denied(f'Invalid according to Policy: Policy Condition failed: ["{rule}", "${name}", "{value}"]')
    covered = _FREE | {name for _, name, _ in conditions}
    extra = sorted(name for name in given if name not in covered and not name.startswith("x-ignore-"))
    if extra:
        raise _denied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _three(condition: Any) -> tuple[str, str, Any]:
    if isinstance(condition, dict):
        ((name, value),) = condition.items()
        return "eq", name.lower(), value
    rule, first, second = condition
    if rule == "content-length-range":
        return rule, "file", (int(first), int(second))
    return rule, first.removeprefix("$").lower(), second


def _met(rule: str, name: str, wanted: Any, given: Mapping[str, str]) -> bool:
    value = given.get(name, "")
    if rule == "content-length-range":
        return value.isdigit() and wanted[0] <= int(value) <= wanted[1]
    if rule == "starts-with":
        return value.startswith(str(wanted))
    return rule == "eq" and value == str(wanted)


def _denied(message: str) -> AwsError:
    return AwsError("AccessDeniedException", message)
