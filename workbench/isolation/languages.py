"""What a language needs in a box: a tree that is /var/lang inside, and the command that plays an entry's role."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.isolation import channel

LANGUAGES = ("python", "nodejs", "java")


def of(runtime: str) -> str:
    """The language of a Lambda runtime identifier: `nodejs` of `nodejs22.x`; empty when there is none of that name."""
    name = re.match(r"[a-z]*", runtime)
    return name[0] if name is not None and name[0] in LANGUAGES else ""


def tree(language: str) -> Path | None:
    """The directory that is /var/lang inside, readable by everybody; None for Python, which the root file system has.

    Built when first asked for, kept in `cache_dir()`. Raises CapabilityMissing where the language is not installed.
    """
    if language == "python":
        return None
    raise CapabilityMissing(f"This machine runs no {language} functions", "Use a Python function.")


def command(language: str, entry: str, *, interpreter: str, runtime_dir: str) -> list[str]:
    """The command line, as seen from inside the box, that plays `entry` in `language`."""
    if language == "python":
        return [interpreter, *channel.PYTHON_OPTIONS, f"{runtime_dir}/{entry}"]
    raise CapabilityMissing(f"This machine runs no {language} functions", "Use a Python function.")
