"""Removing what a session left behind when its owner was killed; one file for each kind of thing.

A session is alive as long as its owning process is. What carries the name of a dead one (see `workbench.session`)
belongs to nobody, and is removed. Nothing else is touched: a process must carry the session in its environment and be
this user's, a container the label, a control group, directory or half-made file the name.

Each kind has a function that finds `Leftover`s, which know how to be removed. A new kind is such a function, a line in
`_kinds` and a field of `Cleaned`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from workbench.cleaning import cgroups, engine, files, processes, swarm
from workbench.cleaning.scope import LABEL, Leftover, Scope

__all__ = ["LABEL", "Cleaned", "Leftover", "Scope", "clean"]


@dataclass(frozen=True)
class Cleaned:
    """What was removed, or would be (`dry_run`), each as a line for people; `remarks` say what could not be."""

    services: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    swarms: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def total(self) -> int:
        """How many things were removed, or would be."""
        return sum(len(found) for _, found in self._kinds())

    def __str__(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        lines = []
        for name, found in self._kinds():
            lines += [f"{verb} {len(found)} {name}:"] if found else []
            lines += [f"  {line}" for line in found]
        if not lines and not self.remarks:
            return "Nothing was left behind."
        return "\n".join([*lines, *self.remarks])

    def _kinds(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for field in fields(self):
            if field.name not in ("remarks", "dry_run"):
                yield field.name, getattr(self, field.name)


def clean(*, instances: tuple[str, ...] = (), own: bool = False, dry_run: bool = False) -> Cleaned:
    """Remove what dead sessions left; with `dry_run` only say what that would be.

    `instances` names some of this session to be removed too (their owner was killed, the session's was not). With `own`
    only this session's: a keeper has its own to see to, and not to wait for what others left. May be interrupted and
    called again, and run several times at once.
    """
    scope = Scope(frozenset(instances), own)
    removed: dict[str, tuple[str, ...]] = {}
    remarks: list[str] = []
    unreachable: list[engine.Unreachable] = []
    for kind, find in _kinds(lambda: not unreachable):
        lines: list[str] = []
        try:
            for leftover in find(scope):
                if dry_run or _removed(leftover, remarks):
                    lines.append(leftover.line)
        except engine.Unreachable as error:
            if not unreachable:
                remarks.append(_not_looked_at(error))
            unreachable.append(error)
        removed[kind] = tuple(lines)
    return Cleaned(**removed, remarks=tuple(remarks), dry_run=dry_run)


def _kinds(reachable: Callable[[], bool]) -> tuple[tuple[str, Callable[[Scope], Iterator[Leftover]]], ...]:
    # Services first, as a Swarm replaces their containers, then these, or the engine would restart or complain about
    # processes that vanish; cgroups when empty; mounts before the directories that they are in.
    return (
        ("services", swarm.find_services),
        ("containers", engine.find_containers),
        ("networks", engine.find_networks),
        ("swarms", swarm.find_swarm),
        ("images", engine.find_images),
        ("processes", processes.find),
        ("cgroups", cgroups.find),
        ("mounts", files.find_mounts),
        ("directories", lambda scope: files.find_directories(scope, reachable=reachable())),
        ("unfinished", files.find_unfinished),
    )


def _removed(leftover: Leftover, remarks: list[str]) -> bool:
    try:
        return leftover.remove()
    except OSError as error:
        remarks.append(f"{leftover.line} could not be removed: {error}. Run `workbench clean` again.")
        return False


def _not_looked_at(error: engine.Unreachable) -> str:
    return (
        f"Containers, networks and images were not looked at ({str(error).rstrip('.')}), and what sessions "
        "that used it left in directories stays until they are. Run `workbench clean` again when Docker Engine answers."
    )
