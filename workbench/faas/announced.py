"""Where a running platform answers, and its keys, for its user's other commands: a file in its session's directory.

The file holds a secret, so it is its owner's alone, as the directory is. It goes with the platform; if that was killed,
with the session's directory, and until then it is not believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from workbench.session import is_alive, session_dir, state_dir

_PREFIX = "platform."
_CONNECT_S = 1.0
_FIELDS = ("endpoint", "access_key_id", "secret_access_key", "region")


@contextlib.contextmanager
def announced(access: Mapping[str, str]) -> Iterator[None]:
    """Tell this user's other commands of a platform for as long as the block runs; where that fails, it is not told."""
    place = session_dir() / f"{_PREFIX}{os.getpid()}.json"
    with contextlib.suppress(OSError):
        _write(place, json.dumps({name: access[name] for name in _FIELDS}))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)


def platforms() -> list[dict[str, str]]:
    """This user's running platforms: endpoint, access_key_id, secret_access_key and region of each."""
    found = []
    for place in sorted((state_dir() / "sessions").glob(f"*/{_PREFIX}*.json")):
        if is_alive(place.parent.name):
            with contextlib.suppress(OSError, ValueError, KeyError):
                told = json.loads(place.read_text())
                access = {name: str(told[name]) for name in _FIELDS}
                if _answers(access["endpoint"]):
                    found.append(access)
    return found


def _write(place: Path, text: str) -> None:
    unfinished = place.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(place)  # so that nobody reads half of it


def _answers(endpoint: str) -> bool:
    """Whether somebody listens there: the platform may have been killed though its session lives."""
    target = urlsplit(endpoint)
    try:
        socket.create_connection((target.hostname or "", target.port or 0), _CONNECT_S).close()
    except OSError:
        return False
    return True
