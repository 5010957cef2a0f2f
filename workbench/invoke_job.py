"""`workbench invoke`: find the platform, invoke, and print; the answer to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from workbench.deployments import direct
from workbench.deployments.platform import Access
from workbench.errors import DeploymentError, PackageError
from workbench.faas.announced import platforms

_ENDPOINTS = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def run(access: Access, function: str, payload: bytes, *, qualifier: str = "", event: bool = False, log: bool) -> None:
    """Invoke and print the payload, or for an event its request id. Raises HandlerError when the handler raised."""
    answer = direct.invoke(access, function, payload, qualifier=qualifier, event=event, log=log)
    if answer.log:
        print(answer.log.rstrip("\n"), file=sys.stderr)
    if answer.error is not None:
        raise answer.error
    sys.stdout.buffer.write((answer.request_id.encode() if event else answer.payload) + b"\n")
    sys.stdout.flush()


def read_payload(text: str) -> bytes:
    """The payload: JSON as given, of the file named after an @, or for `-` of stdin; nothing for an empty text.

    Raises PackageError when it cannot be read or is no JSON.
    """
    if not text:
        return b""
    try:
        if text == "-":
            content = sys.stdin.buffer.read()
        else:
            content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        json.loads(content)
    except OSError as error:
        raise PackageError(f"The payload's file cannot be read: {error}.") from error
    except ValueError as error:
        raise PackageError(
            f"The payload is not JSON ({error}). Quote it for the shell, '{{\"n\": 1}}', or give @FILE, or - for stdin."
        ) from error
    return content


def find(
    endpoint: str = "",
    access_key: str = "",
    secret_key: str = "",
    region: str = "",
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """Where to invoke: as given, else as the environment of every AWS SDK says, else this user's one running platform.

    Keys that are not given are those of this user's platform at that endpoint, else the environment's. Raises
    DeploymentError when that leaves no platform, or more than one.
    """
    if bool(access_key) != bool(secret_key):
        raise DeploymentError("Give both --access-key and --secret-key, or none of them.")
    endpoint = endpoint or _first(environment, _ENDPOINTS)
    running = platforms()
    told = next((one for one in running if one["endpoint"] == endpoint.rstrip("/")), None)
    if not endpoint:
        told = _only(running)
        endpoint = told["endpoint"]
    if not access_key:
        source = told or {
            "access_key_id": environment.get("AWS_ACCESS_KEY_ID", ""),
            "secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY", ""),
        }
        access_key, secret_key = source["access_key_id"], source["secret_access_key"]
    if not access_key or not secret_key:
        raise DeploymentError(
            f"There are no keys for {endpoint}. Give those that `workbench serve` printed: --access-key and "
            "--secret-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    region = region or (told or {}).get("region") or _first(environment, _REGIONS) or "us-east-1"
    return Access(endpoint.rstrip("/"), access_key, secret_key, region)


def _only(running: list[dict[str, str]]) -> dict[str, str]:
    if not running:
        raise DeploymentError(
            "No platform of yours runs. Start one with `workbench serve`, or name one: --endpoint URL."
        )
    if len(running) > 1:
        places = ", ".join(one["endpoint"] for one in running)
        raise DeploymentError(f"Several platforms of yours run: {places}. Say which one: --endpoint URL.")
    return running[0]


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")
