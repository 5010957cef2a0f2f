"""The ways to name a function: its name, a partial ARN or a full one, each with or without a qualifier."""

from __future__ import annotations

from workbench.faas.aws_errors import AwsError, invalid, not_found
from workbench.faas.functions import ACCOUNT, LATEST


def function_name(given: str, region: str, qualifier: str | None = None) -> str:
    """The bare name in `given`, which the model's pattern has let pass.

    Raises AwsError when it names another account, region or a version other than $LATEST.
    """
    parts = given.split(":")
    if parts[0] == "arn":
        parts = parts[3:]  # region, account, "function", name, [qualifier]
        if parts[0] != region:
            raise AwsError("ResourceNotFoundException", f"Functions from '{parts[0]}' are not reachable in '{region}'.")
        parts = parts[1:]
    if parts and parts[0].isdigit() and len(parts[0]) == 12 and len(parts) > 1:
        if parts[0] != ACCOUNT:
            raise AwsError("AccessDeniedException", f"Cross-account pass is not allowed; this account is {ACCOUNT}.")
        parts = parts[1:]
    if parts and parts[0] == "function" and len(parts) > 1:
        parts = parts[1:]
    name, *rest = parts or [""]
    named = rest[0] if rest else None
    if named is not None and qualifier is not None and named != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    version = qualifier or named
    if version not in (None, LATEST):
        raise not_found(f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}:{version}")
    return name
