"""The operations on functions: create, change, delete, look."""

from __future__ import annotations

import asyncio
from typing import Any

from workbench.errors import CapabilityMissing, PackageError
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import LATEST, SETTINGS, Function, new_function
from workbench.faas.functions.java_code import compile_sources
from workbench.faas.functions.names import parse
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.event_config import check_dead_letter
from workbench.faas.operations.layers import with_layers
from workbench.faas.operations.paging import number_key, page
from workbench.faas.operations.provisioned import apply_provisioned
from workbench.faas.operations.source import Source, fetch
from workbench.faas.operations.tags import check_tags
from workbench.faas.operations.versions import publish
from workbench.faas.quotas import MAX_UNPACKED
from workbench.isolation import languages

# What makes no sense on one machine: refused where it would change something.
_UNSUPPORTED = (
    "AcceleratorConfig",
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "PublishTo",
    "RuntimeConfig",
    "TenancyConfig",
    "VpcConfig",
)
_STATE = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig")


class FunctionOperations:
    """Create, Update, Delete, Get and List."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "CreateFunction": self._create,
            "DeleteFunction": self._delete,
            "GetFunction": self._get,
            "GetFunctionConfiguration": self._get_configuration,
            "ListFunctions": self._list,
            "UpdateFunctionCode": self._update_code,
            "UpdateFunctionConfiguration": self._update_configuration,
        }

    # ---- create, change, delete --------------------------------------------------------------------------------------

    async def _create(self, given: Input) -> Output:
        context = self._context
        named = parse(given["FunctionName"], context.region)
        if named.qualifier is not None or "." in named.name:
            raise invalid("A function is created by its name alone; leave the version out.")
        if len(named.name) > 64:
            raise invalid("A function's name is at most 64 characters long.")
        _check_supported(given)
        check_dead_letter(context, given)
        check_tags(given.get("Tags", {}))
        source = await fetch(context, given["Code"])
        async with context.changing:
            if context.functions.get(named.name) is not None:
                raise AwsError("ResourceConflictException", f"Function already exist: {named.name}", Type="User")
            function = new_function(named.name, context.region, given, source.sha256, source.size)
            await self._check_language(function)
            function = await with_layers(context, function, given.get("Layers", []))
            await self._store(source, function)
            await context.save(function)
            if given.get("Publish"):
                return (await publish(context, function)).configuration(function.arn)
        return function.configuration()

    async def _update_code(self, given: Input) -> Output:
        context = self._context
        _check_supported(given)
        source = await fetch(context, given)
        async with context.changing:
            function = context.to_change(given)
            changed = function.with_code(source.sha256, source.size)
            if given.get("Architectures"):
                changed = changed.with_settings({"Architectures": given["Architectures"]})
            await self._store(source, changed)
            if given.get("DryRun"):
                await context.drop_unused_code()
                return changed.configuration()
            await context.save(changed)
            await context.drop_unused_code()
            if given.get("Publish"):
                version = await publish(context, changed)
                return version.configuration(version.version_arn)
        return changed.configuration()

    async def _update_configuration(self, given: Input) -> Output:
        context = self._context
        _check_supported(given)
        check_dead_letter(context, given)
        async with context.changing:
            function = context.to_change(given)
            changed = function.with_settings({k: given[k] for k in SETTINGS if k in given})
            await self._check_language(changed)
            if changed.language == "java":
                await self._compile(changed)
            if "Layers" in given:
                changed = await with_layers(context, changed, given["Layers"])
                await self._check_size(changed)
            await context.save(changed)
            await context.drop_unused_code()
        return changed.configuration()

    async def _delete(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            named = parse(given["FunctionName"], context.region, given.get("Qualifier"))
            function = context.of(named)
            if named.qualifier is None:
                await self._delete_all(function.name)
            else:
                await self._delete_version(function, named.qualifier)
            await context.drop_unused_code()
        return {}

    async def _delete_all(self, name: str) -> None:
        context = self._context
        context.events.drop(name)
        await context.attachments.drop(name)
        await context.provisioned.drop(name)
        await context.storage.delete_function(name)
        gone = [version.id for version in context.functions.versions(name)]
        context.functions.remove(name)
        for identity in (*gone, name):
            context.supervisor.remove(identity)

    async def _delete_version(self, function: Function, qualifier: str) -> None:
        context = self._context
        if qualifier == LATEST:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")
        if qualifier != function.number:
            raise invalid("Deletion of aliases is not currently supported; use DeleteAlias.")
        leading = [a.name for a in context.functions.aliases(function.name) if qualifier in a.versions()]
        if leading:
            raise AwsError(
                "ResourceConflictException",
                f"Version was not deleted because the following aliases reference it: [{', '.join(leading)}]",
                Type="User",
            )
        await context.forget(function.name, qualifier)
        await context.storage.detach("version", function.name, qualifier)
        context.functions.remove_version(function.name, qualifier)
        apply_provisioned(context, function.name)
        context.supervisor.remove(function.id)

    async def _store(self, source: Source, function: Function) -> None:
        await self._context.store_code(source.archive, source.sha256)
        try:
            if function.language == "java":
                await self._compile(function)
            await self._check_size(function)
        except AwsError:
            await self._context.drop_unused_code()
            raise

    async def _compile(self, function: Function) -> None:
        try:
            await asyncio.to_thread(compile_sources, self._context.storage.files.tree(function.code_sha256))
        except PackageError as error:
            raise invalid(str(error)) from error

    async def _check_size(self, function: Function) -> None:
        files = self._context.storage.files
        parts = (function.code_sha256, *function.layers)
        size = await asyncio.to_thread(lambda: sum(files.unpacked_bytes(part) for part in parts))
        if size > MAX_UNPACKED:
            raise invalid(
                f"Function code combined with layers exceeds the maximum allowed size of {MAX_UNPACKED} bytes. "
                f"The actual size is {size} bytes."
            )

    @staticmethod
    async def _check_language(function: Function) -> None:
        try:
            await asyncio.to_thread(languages.tree, function.language)
        except CapabilityMissing as error:
            raise invalid(f"The runtime {function.settings['Runtime']} is not available here: {error}") from error

    # ---- look --------------------------------------------------------------------------------------------------------

    async def _get(self, given: Input) -> Output:
        context = self._context
        function, arn = self._found(given)
        whole = context.functions.get(function.name)
        output: Output = {
            "Configuration": function.configuration(arn),
            "Code": {"RepositoryType": "S3", "Location": context.code_location(function.code_sha256)},
        }
        if whole is not None and whole.tags:
            output["Tags"] = dict(whole.tags)
        if whole is not None and whole.reserved is not None:
            output["Concurrency"] = {"ReservedConcurrentExecutions": whole.reserved}
        return output

    async def _get_configuration(self, given: Input) -> Output:
        function, arn = self._found(given)
        return function.configuration(arn)

    def _found(self, given: Input) -> tuple[Function, str]:
        named = parse(given["FunctionName"], self._context.region, given.get("Qualifier"))
        return self._context.of(named), named.arn(self._context.region)

    async def _list(self, given: Input) -> Output:
        functions = self._context.functions
        if given.get("MasterRegion") not in (None, "ALL", self._context.region):
            return {"Functions": []}
        everything = given.get("FunctionVersion") == "ALL"
        listed, marker = page(functions.everything() if everything else functions, _key, given)
        shown = [function.configuration(function.version_arn if everything else "") for function in listed]
        return {"Functions": [_without_state(entry) for entry in shown], "NextMarker": marker}


def _key(function: Function) -> str:
    number = 0 if function.number == LATEST else int(function.number)
    return f"{function.name}\0{number_key(number)}"


def _without_state(configuration: dict[str, Any]) -> dict[str, Any]:
    """ListFunctions shows less than the other operations, as its description in the model says."""
    return {name: value for name, value in configuration.items() if name not in _STATE}


def _check_supported(given: Input) -> None:
    if given.get("PackageType", "Zip") != "Zip" or given.get("ImageUri") or given.get("Code", {}).get("ImageUri"):
        raise invalid("Only PackageType=Zip is supported here; deploy an image as a container instead.")
    for name in _UNSUPPORTED:
        value = given.get(name)
        if value and not (isinstance(value, dict) and not any(value.values())):
            raise invalid(f"{name} is not supported by this local platform; leave it out.")
