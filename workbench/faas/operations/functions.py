"""The operations on functions: create, change, delete, look."""

from __future__ import annotations

import hashlib

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions import SETTINGS, new_function
from workbench.faas.names import function_name
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.quotas import MAX_ZIP, PAGE


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
        name = function_name(given["FunctionName"], context.region)
        if len(name) > 64:
            raise invalid("A function's name is at most 64 characters long.")
        if given.get("PackageType", "Zip") != "Zip":
            raise invalid("Only PackageType=Zip is supported here; deploy an image as a container instead.")
        for unsupported in ("Layers", "CodeSigningConfigArn", "ImageConfig", "CapacityProviderConfig", "VpcConfig"):
            if given.get(unsupported) and given[unsupported] != {"SubnetIds": [], "SecurityGroupIds": []}:
                raise invalid(f"{unsupported} is not supported by this local platform; leave it out.")
        archive = _zip_of(given["Code"])
        async with context.changing:
            if context.functions.get(name) is not None:
                raise AwsError("ResourceConflictException", f"Function already exist: {name}", Type="User")
            digest = hashlib.sha256(archive).hexdigest()
            function = new_function(name, context.region, given, digest, len(archive))
            await context.store_code(archive, digest)
            await context.save(function)
        return function.configuration()

    async def _update_code(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            function = context.to_change(given)
            archive = _zip_of(given)
            digest = hashlib.sha256(archive).hexdigest()
            changed = function.with_code(digest, len(archive))
            if given.get("Architectures"):
                changed = changed.with_settings({"Architectures": given["Architectures"]})
            await context.store_code(archive, digest)
            if not given.get("DryRun"):
                await context.save(changed)
            await context.drop_unused_code()
        return changed.configuration()

    async def _update_configuration(self, given: Input) -> Output:
        async with self._context.changing:
            function = self._context.to_change(given)
            if given.get("Layers") or given.get("ImageConfig"):
                raise invalid("Layers and ImageConfig are not supported by this local platform; leave them out.")
            changed = function.with_settings({k: given[k] for k in SETTINGS if k in given})
            await self._context.save(changed)
        return changed.configuration()

    async def _delete(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            function = context.find(given["FunctionName"], given.get("Qualifier"))
            context.events.drop(function.name)
            await context.storage.delete_function(function.name)
            context.functions.remove(function.name)
            context.supervisor.remove(function.name)
            await context.drop_unused_code()
        return {}

    # ---- look --------------------------------------------------------------------------------------------------------

    async def _get(self, given: Input) -> Output:
        context = self._context
        function = context.find(given["FunctionName"], given.get("Qualifier"))
        sha256 = function.code_sha256
        location = f"{context.endpoint}/_workbench/code/{sha256}?token={context.code_token(sha256)}"
        output: Output = {
            "Configuration": function.configuration(),
            "Code": {"RepositoryType": "S3", "Location": location},
            "Tags": dict(function.tags) or None,
        }
        if function.reserved is not None:
            output["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return output

    async def _get_configuration(self, given: Input) -> Output:
        return self._context.find(given["FunctionName"], given.get("Qualifier")).configuration()

    async def _list(self, given: Input) -> Output:
        after = given.get("Marker", "")
        size = min(int(given.get("MaxItems", PAGE)), PAGE)
        rest = [function for function in self._context.functions if function.name > after]
        output: Output = {"Functions": [function.configuration() for function in rest[:size]]}
        if len(rest) > size:
            output["NextMarker"] = rest[size - 1].name
        return output


def _zip_of(given: Input) -> bytes:
    archive: bytes | None = given.get("ZipFile")
    if archive is None:
        raise invalid("Give the code as ZipFile; this local platform takes no S3Bucket, S3Key or ImageUri.")
    if len(archive) > MAX_ZIP:
        raise AwsError(
            "RequestEntityTooLargeException", f"The ZIP is larger than {MAX_ZIP} bytes.", status=413, Type="User"
        )
    return archive
