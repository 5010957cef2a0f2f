"""A message as it was received, and what SES tells of it: its headers as text, and the common ones taken apart.

Whatever was sent is taken: a header that cannot be decoded is told as it stands, bytes that are no UTF-8 as U+FFFD.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import format_datetime, getaddresses
from typing import Any

Header = tuple[str, str]

HEADERS_KEPT = 10 * 1024
"""Bytes of headers told: AWS truncates them beyond 10 KB ("Contents of notifications for ... email receiving")."""

_HEAD_READ = 256 * 1024
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,."]')
_LISTS = {"from": "From", "to": "To", "cc": "Cc", "bcc": "Bcc", "sender": "Sender", "replyTo": "Reply-To"}
_TEXTS = {"date": "Date", "messageId": "Message-ID", "subject": "Subject"}


@dataclass(frozen=True, slots=True)
class Message:
    """A message, its envelope and the id that it got here; `content` begins with the headers put before it."""

    id: str
    source: str  # the envelope's MAIL FROM; empty for a notification of a failed delivery
    recipients: tuple[str, ...]  # the envelope's RCPT TO
    received_s: float
    content: bytes

    def with_header(self, name: str, value: str) -> Message:
        """The message with one more header, before all others."""
        line = f"{name}: {_FOLD.sub(' ', value)}\r\n".encode("utf-8", "replace")
        return replace(self, content=line + self.content)

    def headers(self) -> list[Header]:
        """All headers in their order, unfolded."""
        end = _BLANK_LINE.search(self.content, 0, _HEAD_READ)
        head = self.content[: end.end() if end else _HEAD_READ]
        return [(_clean(name), _clean(value)) for name, value in BytesHeaderParser().parsebytes(head).raw_items()]

    def told(self) -> dict[str, Any]:
        """The `mail` object of SES's events and notifications."""
        headers = self.headers()
        kept = _within(headers, HEADERS_KEPT)
        to = [value for name, value in headers if name.lower() in ("to", "cc")]
        return {
            "timestamp": timestamp(self.received_s),
            "source": self.source,
            "messageId": self.id,
            "destination": [address for _, address in _addresses(to)],
            "headersTruncated": len(kept) < len(headers),
            "headers": [{"name": name, "value": value} for name, value in kept],
            "commonHeaders": self._common(headers),
        }

    def _common(self, headers: Sequence[Header]) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value[:HEADERS_KEPT])
        common: dict[str, Any] = {"returnPath": self.source}
        for key, name in _LISTS.items():
            if name.lower() in found:
                common[key] = [_shown(*one) for one in _addresses(found[name.lower()])]
        for key, name in _TEXTS.items():
            if name.lower() in found:
                common[key] = _decoded(found[name.lower()][0])
        return common


def receive(source: str, recipients: Sequence[str], helo: str, peer: str, content: bytes, at_s: float) -> Message:
    """A new message with an id in SES's form, and the headers that every receiver adds (RFC 5321, 4.4)."""
    identity = base64.b32hexencode(secrets.token_bytes(25)).decode().lower()
    when = format_datetime(datetime.fromtimestamp(at_s, UTC))
    message = Message(identity, source, tuple(recipients), at_s, content)
    trace = f"from {helo} ({helo} [{peer}]) by workbench with SMTP id {identity} for {recipients[0]}; {when} (UTC)"
    return message.with_header("Received", trace).with_header("Return-Path", f"<{source}>")


def timestamp(at_s: float) -> str:
    """Seconds since the epoch as AWS writes them, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _within(headers: Sequence[Header], limit: int) -> list[Header]:
    """As many headers from the first on as fit."""
    kept, size = [], 0
    for name, value in headers:
        size += len(name.encode()) + len(value.encode()) + len(": \r\n")
        if size > limit:
            break
        kept.append((name, value))
    return kept


def _clean(text: str) -> str:
    """A header's text from the parser, which keeps folds, and bytes beyond ASCII as surrogates."""
    return _FOLD.sub(" ", text.encode("ascii", "surrogateescape").decode("utf-8", "replace")).strip()


def _decoded(value: str) -> str:
    """The text of encoded words (RFC 2047); the value itself where they are malformed."""
    try:
        text = str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value
    return text.encode("utf-8", "replace").decode()  # some encodings can spell half a character


def _addresses(values: Sequence[str]) -> list[tuple[str, str]]:
    """The names, decoded, and addresses in some headers; those that have an address."""
    return [(_decoded(name), address) for name, address in getaddresses(list(values)) if address]


def _shown(name: str, address: str) -> str:
    if not name:
        return address
    if _SPECIAL.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"
