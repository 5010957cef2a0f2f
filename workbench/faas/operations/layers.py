"""Layer versions: publish, look, delete, who may use them, and laying them over each other for a function."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import Function, timestamp
from workbench.faas.functions.layers import LayerVersion
from workbench.faas.functions.names import layer_arn, parse_layer
from workbench.faas.functions.storage import drop_layer, gave_number, keep_layer
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.paging import number_key, page
from workbench.faas.operations.source import fetch
from workbench.faas.quotas import MAX_LAYERS, MAX_UNPACKED

_ORDER = 10**18  # versions are listed newest first, pages go by ascending keys


class LayerOperations:
    """The operations on layers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "AddLayerVersionPermission": self._add_permission,
            "DeleteLayerVersion": self._delete,
            "GetLayerVersion": self._get,
            "GetLayerVersionByArn": self._get_by_arn,
            "GetLayerVersionPolicy": self._get_policy,
            "ListLayerVersions": self._list_versions,
            "ListLayers": self._list,
            "PublishLayerVersion": self._publish,
            "RemoveLayerVersionPermission": self._remove_permission,
        }

    async def _publish(self, given: Input) -> Output:
        context = self._context
        name = self._name(given)
        source = await fetch(context, given["Content"])
        async with context.changing:
            await context.store_code(source.archive, source.sha256)
            of = f"layer:{name}"
            number = context.next_number(of)
            layer = LayerVersion(
                name,
                context.region,
                number,
                source.sha256,
                source.size,
                timestamp(),
                given.get("Description", ""),
                given.get("LicenseInfo", ""),
                tuple(given.get("CompatibleRuntimes", ())),
                tuple(given.get("CompatibleArchitectures", ())),
            )
            await context.storage.write([keep_layer(name, number, layer.to_json()), gave_number(of, number)])
            context.numbers[of] = number
            context.layers.put(layer)
        return self._shown(layer)

    async def _get(self, given: Input) -> Output:
        return self._shown(self._layer(given))

    async def _get_by_arn(self, given: Input) -> Output:
        name, version = parse_layer(given["Arn"], self._context.region)
        return self._shown(self._there(self._context.layers.get(name, version or 0)))

    async def _list(self, given: Input) -> Output:
        context = self._context
        runtime, architecture = given.get("CompatibleRuntime"), given.get("CompatibleArchitecture")
        found = []
        for name in context.layers.names():
            fitting = [layer for layer in context.layers.versions(name) if layer.fits(runtime, architecture)]
            if fitting:
                found.append(fitting[0])
        listed, marker = page(found, lambda layer: layer.name, given)
        entries = [
            {
                "LayerName": layer.name,
                "LayerArn": layer_arn(context.region, layer.name),
                "LatestMatchingVersion": layer.listed(),
            }
            for layer in listed
        ]
        return {"Layers": entries, "NextMarker": marker}

    async def _list_versions(self, given: Input) -> Output:
        runtime, architecture = given.get("CompatibleRuntime"), given.get("CompatibleArchitecture")
        versions = self._context.layers.versions(self._name(given))
        fitting = [layer for layer in versions if layer.fits(runtime, architecture)]
        listed, marker = page(fitting, lambda layer: number_key(_ORDER - layer.version), given)
        return {"LayerVersions": [layer.listed() for layer in listed], "NextMarker": marker}

    async def _delete(self, given: Input) -> Output:
        context = self._context
        name, number = self._name(given), self._number(given)
        async with context.changing:
            if context.layers.get(name, number) is not None:  # deleting what is not there is no error, as on AWS
                await context.storage.write([drop_layer(name, number)])
                context.layers.remove(name, number)
                await context.drop_unused_code()
        return {}

    # ---- who may use them --------------------------------------------------------------------------------------------

    async def _add_permission(self, given: Input) -> Output:
        async with self._context.changing:
            layer, sid = self._layer(given), given["StatementId"]
            _check_policy_revision(given, layer)
            if sid in layer.policy:
                raise AwsError(
                    "ResourceConflictException",
                    f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove "
                    "the existing statement.",
                    Type="User",
                )
            statement = _statement(given, layer)
            layer = await self._save_policy(layer, {**layer.policy, sid: statement})
        return {"Statement": json.dumps(statement), "RevisionId": layer.policy_revision}

    async def _get_policy(self, given: Input) -> Output:
        layer = self._layer(given)
        if not layer.policy:
            raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.", Type="User")
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(layer.policy.values())}
        return {"Policy": json.dumps(policy), "RevisionId": layer.policy_revision}

    async def _remove_permission(self, given: Input) -> Output:
        async with self._context.changing:
            layer, sid = self._layer(given), given["StatementId"]
            _check_policy_revision(given, layer)
            if sid not in layer.policy:
                raise AwsError(
                    "ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", Type="User"
                )
            await self._save_policy(layer, {k: v for k, v in layer.policy.items() if k != sid})
        return {}

    async def _save_policy(self, layer: LayerVersion, policy: dict[str, Any]) -> LayerVersion:
        changed = replace(layer, policy=policy, policy_revision=str(uuid.uuid4()))
        await self._context.storage.write([keep_layer(layer.name, layer.version, changed.to_json())])
        self._context.layers.put(changed)
        return changed

    # ---- what they are made of ---------------------------------------------------------------------------------------

    def _name(self, given: Input) -> str:
        return parse_layer(given["LayerName"], self._context.region)[0]

    @staticmethod
    def _number(given: Input) -> int:
        number = int(given["VersionNumber"])
        if number < 1:
            raise invalid("Layer Version Cannot be less than 1.")
        return number

    def _layer(self, given: Input) -> LayerVersion:
        return self._there(self._context.layers.get(self._name(given), self._number(given)))

    @staticmethod
    def _there(layer: LayerVersion | None) -> LayerVersion:
        if layer is None:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
        return layer

    def _shown(self, layer: LayerVersion) -> Output:
        return layer.shown(self._context.code_location(layer.code_sha256))


async def with_layers(context: Context, function: Function, arns: Sequence[str]) -> Function:
    """The function with these layers in place of its own, merged where instances find them.

    Raises AwsError when there is no such layer, or too many. Call while `changing`.
    """
    if len(arns) > MAX_LAYERS:
        raise invalid(f"Cannot reference more than {MAX_LAYERS} layers.")
    layers: dict[str, LayerVersion] = {}
    for arn in arns:
        name, number = parse_layer(arn, context.region)
        layer = context.layers.get(name, number or 0)
        if layer is None:
            raise invalid(f"Layer version {arn} does not exist.")
        if name in layers:
            raise invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{layers[name].arn} and {layer.arn} are versions of the same layer."
            )
        layers[name] = layer
    if not layers and not function.layers:
        return function
    uses = [(layer.arn, layer.code_sha256, layer.code_size) for layer in layers.values()]
    changed = function.with_layers(uses)
    files = context.storage.files
    size = await asyncio.to_thread(lambda: sum(files.unpacked_bytes(digest) for digest in changed.layers))
    if size > MAX_UNPACKED:
        raise invalid(f"Layers consume more than the available size of {MAX_UNPACKED} bytes")
    await asyncio.to_thread(files.merge, changed.layers)
    return changed


def _statement(given: Input, layer: LayerVersion) -> dict[str, Any]:
    principal: str = given["Principal"]
    shown = f"arn:aws:iam::{principal}:root" if principal.isdigit() else principal
    statement: dict[str, Any] = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": shown if shown == "*" else {"AWS": shown},
        "Action": given["Action"],
        "Resource": layer.arn,
    }
    if given.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": given["OrganizationId"]}}
    return statement


def _check_policy_revision(given: Input, layer: LayerVersion) -> None:
    if given.get("RevisionId") not in (None, layer.policy_revision):
        raise AwsError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id",
            Type="User",
        )
