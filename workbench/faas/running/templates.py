"""Initialised instances that serve nothing themselves: a function's instances are forked from its template.

A template is made once for a revision of a function, by PublishVersion where SnapStart is on or when a snapshot start
is asked for, and is remade when it has ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from workbench.faas import messages as m
from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.function import Function
from workbench.faas.running.host import Host
from workbench.faas.running.live_instance import LiveInstance
from workbench.sandbox import Launcher, Technique, Template, TemplateLauncher

_PATIENCE_S = 130.0
"""AWS gives a snapshot's init up to 130 s or the function's timeout (developer guide, "SnapStart")."""


class Templates:
    """One template for each revision of a function that needs one."""

    def __init__(
        self,
        host: Host,
        launch: TemplateLauncher | None,
        new_instance: Callable[[str, Function, Technique, Host], LiveInstance],
    ) -> None:
        self._host = host
        self._launch = launch
        self._new_instance = new_instance
        self._made: dict[tuple[str, str], asyncio.Task[_Making]] = {}
        self._count = 0

    async def get(self, function: Function) -> Template:
        """The template of this revision, made when there is none; raises AwsError when its init fails."""
        key = function.id, function.version
        task = self._made.get(key)
        if task is not None and task.done() and (task.cancelled() or task.exception() or not task.result().alive):
            task = None
        if task is None:
            task = self._made[key] = asyncio.get_running_loop().create_task(self._make(function))
        making = await asyncio.shield(task)
        return cast(Template, making.instance.sandbox)

    def drop(self, function: str, *, but: str = "") -> None:
        """End the templates of all revisions of a function but one."""
        for key in [key for key in self._made if key[0] == function and key[1] != but]:
            task = self._made.pop(key)
            if not task.done():
                task.cancel()
            elif not task.cancelled() and not task.exception():
                task.result().instance.stop()

    @property
    def alive(self) -> int:
        """How many there are."""
        done = (task for task in self._made.values() if task.done() and not task.cancelled() and not task.exception())
        return sum(task.result().alive for task in done)

    async def close(self) -> None:
        """End all; returns when they are gone."""
        tasks = list(self._made.values())
        for name in {key[0] for key in self._made}:
            self.drop(name)
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and not task.exception():
                await task.result().gone.wait()

    async def _make(self, function: Function) -> _Making:
        if self._launch is None or function.language != "python":
            raise AwsError(
                "InvalidParameterValueException",
                "A snapshot start needs a Python function and the sandbox 'namespaces'.",
                Type="User",
            )
        self._count += 1
        making = _Making()
        host = replace(
            self._host,
            launch=cast(Launcher, self._launch),
            tell=making.hear,
            snapshotted=making.ready.set,
            closed=lambda _: making.gone.set(),
        )
        making.instance = self._new_instance(
            f"{self._host.prefix}-template-{self._count}", function, Technique.SNAPSHOT, host
        )
        making.instance.start()
        try:
            await making.wait(max(_PATIENCE_S, function.timeout_s))
        except BaseException:
            making.instance.stop()
            raise
        return making


class _Making:
    """A template on its way: what it said of itself."""

    def __init__(self) -> None:
        self.instance: LiveInstance
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()
        self._detail = ""

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def hear(self, event: m.Event) -> None:
        if isinstance(event, m.InitFailed):
            self._fail(_init_error(self.instance.init_error))
        elif isinstance(event, m.Gone):
            self._fail(event.detail or "it ended")

    def _fail(self, detail: str) -> None:
        self._detail = self._detail or detail
        self.ended.set()

    async def wait(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self.ready, self.ended)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.ready.is_set() and self.alive:
            return
        raise AwsError(
            "SnapStartException",
            f"The function could not be initialised for a snapshot: {self._detail or 'its init took too long'}",
        )


def _init_error(body: bytes) -> str:
    try:
        error = json.loads(body)
        return f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"
    except (ValueError, AttributeError):
        return "its init failed"
