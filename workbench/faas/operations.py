"""The operations on functions: everything of the Lambda API but Invoke."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from workbench.errors import PackageError
from workbench.faas.aws_errors import AwsError, invalid, not_found
from workbench.faas.event_queue import EventQueue
from workbench.faas.functions import SETTINGS, Function, Functions, new_function
from workbench.faas.names import function_name
from workbench.faas.storage import Storage
from workbench.faas.supervisor import Supervisor

MAX_ZIP = 50 * 2**20
MAX_UNPACKED = 250 * 2**20
MAX_STORED = 75 * 2**30
"""Lambda's quotas in bytes: direct upload, unpacked, and all code of an account in a region."""

_PAGE = 50

Input = dict[str, Any]
Output = dict[str, Any]


class Operations:
    """What each supported operation does; `table` has them by their names in the model."""

    def __init__(
        self,
        region: str,
        supervisor: Supervisor,
        storage: Storage,
        events: EventQueue,
        account_concurrency: int,
        secret: str,
    ) -> None:
        self.region = region
        self.functions = Functions()
        self.endpoint = ""  # known when the server listens
        self._supervisor = supervisor
        self._storage = storage
        self._events = events
        self._concurrency = account_concurrency
        self._secret = secret.encode()
        self._changing = asyncio.Lock()  # one change at a time, so that what is stored is what is in force
        self.table: dict[str, Callable[[Input], Awaitable[Output]]] = {
            "CreateFunction": self._create,
            "DeleteFunction": self._delete,
            "DeleteFunctionConcurrency": self._delete_concurrency,
            "GetAccountSettings": self._account_settings,
            "GetFunction": self._get,
            "GetFunctionConcurrency": self._get_concurrency,
            "GetFunctionConfiguration": self._get_configuration,
            "ListFunctions": self._list,
            "PutFunctionConcurrency": self._put_concurrency,
            "UpdateFunctionCode": self._update_code,
            "UpdateFunctionConfiguration": self._update_configuration,
        }

    def resume(self) -> None:
        """Take up the functions of an earlier platform."""
        for text in self._storage.functions():
            function = Function.from_json(text)
            if self._storage.code(function.code_sha256).is_dir():
                self._install(function)

    def find(self, given: str, qualifier: str | None = None) -> Function:
        """The function that a request names; raises AwsError when there is none."""
        name = function_name(given, self.region, qualifier)
        function = self.functions.get(name)
        if function is None:
            raise not_found(f"arn:aws:lambda:{self.region}:000000000000:function:{name}")
        return function

    def code_token(self, sha256: str) -> str:
        """What entitles to download this code: part of the link that GetFunction gives."""
        return hmac.new(self._secret, sha256.encode(), hashlib.sha256).hexdigest()

    # ---- create, change, delete --------------------------------------------------------------------------------------

    async def _create(self, given: Input) -> Output:
        name = function_name(given["FunctionName"], self.region)
        if len(name) > 64:
            raise invalid("A function's name is at most 64 characters long.")
        if given.get("PackageType", "Zip") != "Zip":
            raise invalid("Only PackageType=Zip is supported here; deploy an image as a container instead.")
        for unsupported in ("Layers", "CodeSigningConfigArn", "ImageConfig", "CapacityProviderConfig", "VpcConfig"):
            if given.get(unsupported) and given[unsupported] != {"SubnetIds": [], "SecurityGroupIds": []}:
                raise invalid(f"{unsupported} is not supported by this local platform; leave it out.")
        archive = _zip_of(given["Code"])
        async with self._changing:
            if self.functions.get(name) is not None:
                raise AwsError("ResourceConflictException", f"Function already exist: {name}", Type="User")
            digest = hashlib.sha256(archive).hexdigest()
            function = new_function(name, self.region, given, digest, len(archive))
            await self._store_code(archive, digest)
            await self._save(function)
        return function.configuration()

    async def _update_code(self, given: Input) -> Output:
        async with self._changing:
            function = self._to_change(given)
            archive = _zip_of(given)
            digest = hashlib.sha256(archive).hexdigest()
            changed = function.with_code(digest, len(archive))
            if given.get("Architectures"):
                changed = changed.with_settings({"Architectures": given["Architectures"]})
            if given.get("DryRun"):
                await self._check_code(archive, digest)
                return changed.configuration()
            await self._store_code(archive, digest)
            await self._save(changed)
            await self._drop_unused_code()
        return changed.configuration()

    async def _update_configuration(self, given: Input) -> Output:
        async with self._changing:
            function = self._to_change(given)
            if given.get("Layers") or given.get("ImageConfig"):
                raise invalid("Layers and ImageConfig are not supported by this local platform; leave them out.")
            changed = function.with_settings({k: given[k] for k in SETTINGS if k in given})
            await self._save(changed)
        return changed.configuration()

    async def _delete(self, given: Input) -> Output:
        async with self._changing:
            function = self.find(given["FunctionName"], given.get("Qualifier"))
            self._events.drop(function.name)
            await self._storage.delete_function(function.name)
            self.functions.remove(function.name)
            self._supervisor.remove(function.name)
            await self._drop_unused_code()
        return {}

    # ---- look --------------------------------------------------------------------------------------------------------

    async def _get(self, given: Input) -> Output:
        function = self.find(given["FunctionName"], given.get("Qualifier"))
        sha256 = function.code_sha256
        location = f"{self.endpoint}/_workbench/code/{sha256}?token={self.code_token(sha256)}"
        output: Output = {
            "Configuration": function.configuration(),
            "Code": {"RepositoryType": "S3", "Location": location},
            "Tags": dict(function.tags) or None,
        }
        if function.reserved is not None:
            output["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return output

    async def _get_configuration(self, given: Input) -> Output:
        return self.find(given["FunctionName"], given.get("Qualifier")).configuration()

    async def _list(self, given: Input) -> Output:
        after = given.get("Marker", "")
        size = min(int(given.get("MaxItems", _PAGE)), _PAGE)
        rest = [function for function in self.functions if function.name > after]
        output: Output = {"Functions": [function.configuration() for function in rest[:size]]}
        if len(rest) > size:
            output["NextMarker"] = rest[size - 1].name
        return output

    async def _account_settings(self, given: Input) -> Output:
        functions = list(self.functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_STORED,
                "CodeSizeUnzipped": MAX_UNPACKED,
                "CodeSizeZipped": MAX_ZIP,
                "ConcurrentExecutions": self._concurrency,
                "UnreservedConcurrentExecutions": self._concurrency - self.functions.reserved(),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(function.code_size for function in functions),
                "FunctionCount": len(functions),
            },
        }

    # ---- concurrency -------------------------------------------------------------------------------------------------

    async def _put_concurrency(self, given: Input) -> Output:
        wanted = int(given["ReservedConcurrentExecutions"])
        async with self._changing:
            function = self.find(given["FunctionName"])
            # AWS keeps 100 of 1,000 unreserved; of a smaller account the same share.
            least = min(100, self._concurrency // 10)
            if self._concurrency - self.functions.reserved(but=function.name) - wanted < least:
                raise invalid(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{least}]."
                )
            await self._save(replace(function, reserved=wanted))
        return {"ReservedConcurrentExecutions": wanted}

    async def _get_concurrency(self, given: Input) -> Output:
        return {"ReservedConcurrentExecutions": self.find(given["FunctionName"]).reserved}

    async def _delete_concurrency(self, given: Input) -> Output:
        async with self._changing:
            await self._save(replace(self.find(given["FunctionName"]), reserved=None))
        return {}

    # ---- what they are made of ---------------------------------------------------------------------------------------

    def _to_change(self, given: Input) -> Function:
        function = self.find(given["FunctionName"])
        if given.get("RevisionId") not in (None, function.revision):
            raise AwsError(
                "PreconditionFailedException",
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
                Type="User",
            )
        return function

    async def _save(self, function: Function) -> None:
        await self._storage.save_function(function.name, function.to_json())
        self._install(function)

    def _install(self, function: Function) -> None:
        self.functions.put(function)
        self._supervisor.put(function)

    async def _store_code(self, archive: bytes, digest: str) -> None:
        try:
            await asyncio.to_thread(self._storage.add_code, archive, digest)
        except PackageError as error:
            raise invalid(
                f"Could not unzip uploaded file. Please check your file, then try to upload again. {error}"
            ) from (error)

    async def _check_code(self, archive: bytes, digest: str) -> None:
        await self._store_code(archive, digest)
        await self._drop_unused_code()

    async def _drop_unused_code(self) -> None:
        used = self._supervisor.used_code()
        await asyncio.to_thread(self._storage.keep_code, used)


def _zip_of(given: Input) -> bytes:
    archive: bytes | None = given.get("ZipFile")
    if archive is None:
        raise invalid("Give the code as ZipFile; this local platform takes no S3Bucket, S3Key or ImageUri.")
    if len(archive) > MAX_ZIP:
        raise AwsError(
            "RequestEntityTooLargeException", f"The ZIP is larger than {MAX_ZIP} bytes.", status=413, Type="User"
        )
    return archive
