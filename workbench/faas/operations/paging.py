"""Answers of List operations in pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from workbench.faas.aws_errors import invalid
from workbench.faas.quotas import PAGE

T = TypeVar("T")
_MARK = b"after:"  # so that no marker is empty, which would mean the first page


def page(
    entries: Iterable[T], key: Callable[[T], str], given: dict[str, Any], *, most: int = PAGE
) -> tuple[list[T], str | None]:
    """The entries that a request's Marker and MaxItems select, and the marker of the next page if there is one.

    `key` tells entries apart and is what the marker stands for, so that one deleted between pages shifts nothing.
    Raises AwsError for a marker that is not ours.
    """
    after = _read(given["Marker"]) if given.get("Marker") else None
    size = min(int(given.get("MaxItems", most)), most)
    rest = sorted((entry for entry in entries if after is None or key(entry) > after), key=key)
    if len(rest) <= size:
        return rest, None
    return rest[:size], base64.urlsafe_b64encode(_MARK + key(rest[size - 1]).encode()).decode()


def number_key(number: int) -> str:
    """Numbers as keys in their order."""
    return f"{number:019d}"


def _read(marker: str) -> str:
    try:
        decoded = base64.b64decode(marker, altchars=b"-_", validate=True)
        if not decoded.startswith(_MARK):
            raise ValueError("not ours")
        return decoded.removeprefix(_MARK).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid(
            "The Marker is not one that this operation gave; take NextMarker from the page before."
        ) from error
