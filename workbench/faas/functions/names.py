"""The ways to name a function: its name, a partial ARN or a full one, each with or without a qualifier."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import ACCOUNT

# What the model's patterns of function names let pass, in parts; the longest form that fits is meant.
_FUNCTION = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?"
)
_LAYER = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:)?"
    r"(?P<name>[a-zA-Z0-9_-]{1,140})(?::(?P<version>[0-9]{1,18}))?"
)


@dataclass(frozen=True)
class Named:
    """What a request names: a function, and a version or alias of it if one is said."""

    name: str
    qualifier: str | None = None

    def arn(self, region: str) -> str:
        """The ARN of exactly this."""
        return function_arn(region, self.name, self.qualifier)


def function_arn(region: str, name: str, qualifier: str | None = None) -> str:
    """The ARN of a function, or of its version or alias."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def layer_arn(region: str, name: str, version: int | None = None) -> str:
    """The ARN of a layer, or of one of its versions."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{name}" + (f":{version}" if version is not None else "")


def parse(given: str, region: str, qualifier: str | None = None) -> Named:
    """What `given`, with the request's own `qualifier`, names.

    Raises AwsError when it is no name, another account's or region's, or has a qualifier that contradicts the other.
    """
    match = _FUNCTION.fullmatch(given)
    if match is None:
        raise AwsError("ValidationException", f"'{given[:200]}' is neither the name nor the ARN of a function.")
    _check_place(match, region, "Functions")
    named = match["qualifier"]
    if named and qualifier and named != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return Named(match["name"], qualifier or named or None)


def parse_unqualified(given: str, region: str) -> str:
    """The bare name in `given`, for what only a function as a whole has; raises AwsError when a version is named."""
    named = parse(given, region)
    if named.qualifier is not None:
        raise invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    return named.name


def parse_layer(given: str, region: str) -> tuple[str, int | None]:
    """Name and version number in a layer's name, ARN or version's ARN; raises AwsError as `parse` does."""
    match = _LAYER.fullmatch(given)
    if match is None:
        raise AwsError("ValidationException", f"'{given[:200]}' is neither the name nor the ARN of a layer.")
    _check_place(match, region, "Layers")
    return match["name"], int(match["version"]) if match["version"] else None


def _check_place(match: re.Match[str], region: str, what: str) -> None:
    if match["region"] and match["region"] != region:
        raise AwsError(
            "ResourceNotFoundException",
            f"{what} from '{match['region']}' are not reachable in this region ('{region}').",
        )
    if match["account"] and match["account"] != ACCOUNT:
        raise AwsError("AccessDeniedException", f"Cross-account pass is not allowed; this account is {ACCOUNT}.")
