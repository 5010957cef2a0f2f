"""What each request of a load brings, as a command line says it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def request(method: str, data: str, headers: Iterable[str]) -> dict[str, Any]:
    """The `method`, `body` and `headers` of `load_url`: GET, or POST where there are data, and JSON said to be that.

    `data`: a text, or the file named after an @; `headers`: each as `Name: value`. Raises WorkbenchError for what
    cannot be sent or read.
    """
    if method and not _TOKEN.fullmatch(method):
        raise WorkbenchError(f"The method is {method!r}; write it as one word, such as POST.")
    body = _body(data)
    said = tuple(map(_header, headers))
    if _is_json(body) and "content-type" not in {name.lower() for name, _ in said}:
        said += (("Content-Type", "application/json"),)
    return {"method": method.upper() or ("POST" if body else "GET"), "body": body, "headers": said}


def _body(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise WorkbenchError(f"The data's file cannot be read: {error}.") from error


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise WorkbenchError(f"A header is {text!r}; write it as 'Name: value'.")
    return name, value.strip()


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
