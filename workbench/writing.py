"""Files that are whole or not there: a reader sees the old one or all of the new one, never half."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(target: str | Path) -> Iterator[Path]:
    """A new file beside `target` to write to, which takes its place at the end; an error or Ctrl-C leaves the old one.

    Makes the directories above it. Raises OSError as writing does.
    """
    place = Path(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    os.close(descriptor)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
