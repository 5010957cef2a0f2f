"""Tags of functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import Function
from workbench.faas.functions.names import parse
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.running import outbound

MAX_TAGS = 50
"""Tags of one resource ("Tag your AWS resources", AWS General Reference)."""


class TagOperations:
    """TagResource, UntagResource and ListTags."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {"ListTags": self._list, "TagResource": self._tag, "UntagResource": self._untag}

    async def _list(self, given: Input) -> Output:
        return {"Tags": dict(self._function(given).tags)}

    async def _tag(self, given: Input) -> Output:
        async with self._context.changing:
            function = self._function(given)
            tags = {**function.tags, **given["Tags"]}
            check_tags(tags)
            await self._context.save(replace(function, tags=tags))
        return {}

    async def _untag(self, given: Input) -> Output:
        async with self._context.changing:
            function = self._function(given)
            tags = {key: value for key, value in function.tags.items() if key not in given["TagKeys"]}
            await self._context.save(replace(function, tags=tags))
        return {}

    def _function(self, given: Input) -> Function:
        arn: str = given["Resource"]
        if ":function:" not in arn:
            raise AwsError(
                "ResourceNotFoundException", f"There is no {arn}; only functions have tags here.", Type="User"
            )
        if parse(arn, self._context.region).qualifier is not None:
            raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        return self._context.find(arn)


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise AwsError for tags that no resource may have."""
    if len(tags) > MAX_TAGS:
        raise invalid(f"Number of tags exceeds resource tag limit of {MAX_TAGS}.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys that start with 'aws:' are reserved for system use.")
    try:
        outbound.parse(tags.get(outbound.TAG, ""))
    except ValueError as error:
        raise invalid(str(error)) from error
