"""Published versions: what a function was, for good."""

from __future__ import annotations

from workbench.faas.aws_errors import invalid
from workbench.faas.functions.function import LATEST, Function, base64_digest
from workbench.faas.functions.storage import attach, gave_number
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.paging import number_key, page


class VersionOperations:
    """PublishVersion and ListVersionsByFunction; the rest is done with a qualifier by the operations on functions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "ListVersionsByFunction": self._list,
            "PublishVersion": self._publish,
        }

    async def _publish(self, given: Input) -> Output:
        context = self._context
        if given.get("PublishTo"):
            raise invalid("PublishTo is not supported by this local platform; leave it out.")
        async with context.changing:
            function = context.to_change(given)
            wanted, there = given.get("CodeSha256") or None, base64_digest(function.code_sha256)
            if wanted not in (None, there):
                raise invalid(
                    f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({there}). "
                    "Please try again with the CodeSHA256 in $LATEST."
                )
            version = await publish(context, function, given.get("Description"))
        return version.configuration(version.version_arn)

    async def _list(self, given: Input) -> Output:
        latest = self._context.unqualified(given["FunctionName"])
        everything = [latest, *self._context.functions.versions(latest.name)]
        listed, marker = page(everything, _key, given)
        return {"Versions": [v.configuration(v.version_arn) for v in listed], "NextMarker": marker}


async def publish(context: Context, latest: Function, description: str | None = None) -> Function:
    """A version of the function as it is now: the last one when nothing has changed since. Call while `changing`."""
    published = context.functions.versions(latest.name)
    if published and published[-1].origin == latest.content:
        return published[-1]
    of = f"function:{latest.name}"  # never reused, not even by a function of the same name created later
    number = context.next_number(of)
    version = latest.published(number, description)
    await context.storage.write(
        [attach("version", version.name, version.number, version.to_json()), gave_number(of, number)]
    )
    context.numbers[of] = number
    context.install(version)
    if version.snap_start:
        context.in_background(context.prepare(version))
    return version


def _key(function: Function) -> str:
    return number_key(0 if function.number == LATEST else int(function.number))
