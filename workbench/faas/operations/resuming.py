"""Taking up what an earlier platform left in the state directory."""

from __future__ import annotations

from dataclasses import replace

from workbench.faas.functions.function import Function
from workbench.faas.functions.layers import LayerVersion
from workbench.faas.functions.registry import Alias
from workbench.faas.operations.context import Context
from workbench.faas.operations.provisioned import apply_provisioned


def resume(context: Context) -> None:
    """Put functions, versions, aliases and layers in force again; snapshots are made anew, as they ended with it."""
    storage = context.storage
    context.numbers.update(storage.numbers())
    for text in storage.layers():
        context.layers.put(LayerVersion.from_json(text))
    for text in storage.functions():
        _install(context, Function.from_json(text))
    for name, _, text in storage.attachments("version"):
        version = Function.from_json(text)
        if context.functions.get(name) is None:
            continue
        if version.snap_start and version.state != "Failed":
            version = replace(version, state="Pending")
        if _install(context, version) and version.state == "Pending":
            context.in_background(context.prepare(version))
    for _, _, text in storage.attachments("alias"):
        alias = Alias.from_json(text)
        if context.functions.version(alias.function, alias.version) is not None:
            context.functions.put_alias(alias)
    for function in context.functions:
        apply_provisioned(context, function.name)


def _install(context: Context, function: Function) -> bool:
    files = context.storage.files
    if not all(files.tree(name).is_dir() for name in (function.code_sha256, *function.layers)):
        return False
    files.merge(function.layers)
    context.install(function)
    return True
