"""SMTP replies: one line of printable ASCII, whatever the text that a rule or an error brings."""

from __future__ import annotations

import re

_LENGTH = 500
"""RFC 5321, 4.5.3.1.5: a reply line has at most 512 octets with its code and end."""

_UNPRINTABLE = re.compile(r"[^ -~]+")


def reply(code: int, status: str, text: str) -> str:
    """A reply with its enhanced status code (RFC 3463), as far as that is one."""
    words = [str(code), *([status] if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", status) else []), text]
    return _UNPRINTABLE.sub(" ", " ".join(words))[:_LENGTH]
