"""Machines restored from a snapshot: one is booted and saved for each version of a service, others go on from it."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from dataclasses import replace
from typing import Any

from workbench.errors import HandlerError
from workbench.isolation.machine import qemu
from workbench.isolation.machine.qemu import QemuTemplate
from workbench.sandbox import Sandbox, SandboxSpec

_LOADED_WITHIN_S = 120.0


class Snapshots:
    """A launcher whose first instance of a version waits for a boot and a snapshot, and the others for neither."""

    def __init__(self) -> None:
        self._templates: dict[str, QemuTemplate] = {}
        self._lock = threading.Lock()

    def launch(self, spec: SandboxSpec) -> Sandbox:
        """A machine of that name, restored; where none can be saved, one that is booted, which says why.

        Raises HandlerError when the service's module cannot be loaded, and what `qemu.launch` raises.
        """
        template = self._template(spec)
        return qemu.launch(spec) if template is None else template.launch(spec)

    def _template(self, spec: SandboxSpec) -> QemuTemplate | None:
        """That of the spec's version; whoever wants it while it is made waits for it."""
        version = _version(spec)
        with self._lock:
            if version not in self._templates:
                template = self._saved(replace(spec, name=f"{spec.name}-template"))
                if template is None:
                    return None
                self._templates[version] = template
            return self._templates[version]

    @staticmethod
    def _saved(spec: SandboxSpec) -> QemuTemplate | None:
        template = qemu.launch_template(spec)
        try:
            if _loaded(template.machine.control):
                template.save()
                return template
        except BaseException:
            template.close()
            raise
        template.close()
        return None

    def close(self) -> None:
        """Remove all snapshots; machines that were restored must have ended."""
        with self._lock:
            for template in self._templates.values():
                template.close()
            self._templates.clear()


def _version(spec: SandboxSpec) -> str:
    """What two instances of one version of a service have in common: all but the name."""
    return repr((replace(spec, name="", environment={}), sorted(spec.environment.items())))


def _loaded(control: socket.socket) -> bool:
    """Whether the function has been loaded, once that is decided; raises HandlerError when it cannot be."""
    buffer, deadline, marks = b"", time.monotonic() + _LOADED_WITHIN_S, dict[str, dict[str, Any]]()
    while select.select([control], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = control.recv(65536)
        *lines, buffer = (buffer + data).split(b"\n")
        marks |= {mark["mark"]: mark for mark in map(json.loads, lines)}
        if {"function_ready", "renewable"} <= set(marks):
            return True
        if "init_error" in marks:
            raise HandlerError.told(marks["init_error"].get("error") or {})
        if not data:
            return False
    return False
