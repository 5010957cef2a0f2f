"""A pytest plugin for runs inside the guest: a group's processes may use whole processors, however slow these are.

An emulated processor is ten times slower and more, and an interpreter that starts with a fourteenth of one takes
minutes. For tests of everything but the share itself.
"""

from __future__ import annotations

from typing import Any

from workbench.isolation import cgroups

_create = cgroups.create


def _create_without_quota(*arguments: Any, **more: Any) -> cgroups.Cgroup | None:
    group = _create(*arguments, **more)
    if group is not None and "cpu" in group.directories:
        (group.directories["cpu"] / "cpu.max").write_text("max")
    return group


cgroups.create = _create_without_quota
