"""What may be removed: everything of dead sessions, and the instances that a killed owner in this session had."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from workbench.session import is_alive, session_id

LABEL = "workbench.session"
_SESSION = re.compile(r"\d+-\w+-[0-9a-f]{8}")


@dataclass(frozen=True)
class Leftover:
    """One thing that nobody owns any more: a line for people, and how to remove it.

    `remove` says whether it did; False also where somebody else was quicker. It raises OSError with the reason where it
    cannot.
    """

    line: str
    remove: Callable[[], bool]


@dataclass(frozen=True)
class Scope:
    """What may be removed: all of a dead session, or with `own` of this one alone, and of our own these instances."""

    instances: frozenset[str] = frozenset()
    own: bool = False

    def takes(self, session: str) -> bool:
        """Whether `session` is the name of one, and dead."""
        if not _SESSION.fullmatch(session):  # somebody else's name
            return False
        return not is_alive(session) and (not self.own or session == session_id())

    def takes_instance(self, session: str, name: str) -> bool:
        """Whether instance `name` of `session` may go."""
        return self.takes(session) or (session == session_id() and name in self.instances)
