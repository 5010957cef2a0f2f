"""Where a load goes: checked to be this machine, or confirmed to be a user's own elsewhere; and as JSON."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import WorkbenchError
from workbench.invocation import Target


def check_targets(targets: Sequence[Target], *, allow_remote: bool) -> None:
    """Raise WorkbenchError unless there are targets, by HTTP, on this machine or confirmed to be elsewhere."""
    if not targets:
        raise WorkbenchError("A load needs at least one target. Is the deployment still up?")
    for url in {target.url for target in targets}:
        host = host_of(url)
        if not allow_remote and not is_loopback(host):
            raise WorkbenchError(
                f"{host} is not this machine. A load on somebody else's service is an attack; if it is yours and may "
                "be loaded, say so with allow_remote=True (on the command line: --allow-remote)."
            )


def host_of(url: str) -> str:
    """The host that `url` names; raises WorkbenchError when that is no HTTP address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise WorkbenchError(f"{url!r} is no address ({error}). Write it as http://HOST:PORT/PATH.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise WorkbenchError(f"{url!r} is no HTTP address. Write it as http://HOST:PORT/PATH.")
    return host


def is_loopback(host: str) -> bool:
    """Whether `host` certainly names this machine's loopback interface; other names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def targets_to_json(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Targets as JSON, bodies in base64."""
    return [
        {
            "url": target.url,
            "method": target.method,
            "headers": [list(header) for header in target.headers],
            "body": base64.b64encode(target.body).decode(),
            "group": target.group,
        }
        for target in targets
    ]


def targets_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Target, ...]:
    """Read what `targets_to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
    return tuple(
        Target(
            str(entry["url"]),
            str(entry.get("method", "POST")),
            tuple((str(name), str(value)) for name, value in entry.get("headers", ())),
            base64.b64decode(entry.get("body", ""), validate=True),
            str(entry.get("group", "")),
        )
        for entry in data
    )
