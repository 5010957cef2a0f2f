"""What a function asks to reach beyond this platform: its tag `workbench:outbound`.

On AWS a function reaches the whole Internet; here it reaches this platform's endpoint alone, unless it names more. The
tag's value is words: `5432` makes port 5432 of this machine's loopback address reachable at the same port of the
instance's own, `5432=127.0.0.1:6543` another one there, `443=db.example:443` one of another host.
"""

from __future__ import annotations

import re

TAG = "workbench:outbound"
MAX_PORTS = 8
_WORD = re.compile(r"(?P<inside>\d{1,5})(=(?P<host>[A-Za-z0-9_.-]+):(?P<port>\d{1,5}))?")
_TAKEN = range(9000, 9200)  # of the instance's own address: the Runtime API and the AWS endpoints


def parse(text: str) -> dict[int, tuple[str, int]]:
    """The ports inside, with the host and port that each leads to; raises ValueError saying what is wrong."""
    found: dict[int, tuple[str, int]] = {}
    for word in text.split():
        match = _WORD.fullmatch(word)
        inside = int(match["inside"]) if match else 0
        outside = int(match["port"] or inside) if match else 0
        if match is None or not (0 < inside < 65536 and 0 < outside < 65536):
            raise ValueError(f"{TAG}: {word!r} is not PORT or PORT=HOST:PORT, for example 5432=127.0.0.1:5432.")
        if inside in _TAKEN or inside in found:
            raise ValueError(f"{TAG}: port {inside} is taken; choose another one inside, as in 15432=127.0.0.1:5432.")
        found[inside] = (match["host"] or "127.0.0.1", outside)
    if len(found) > MAX_PORTS:
        raise ValueError(f"{TAG}: at most {MAX_PORTS} ports, not {len(found)}.")
    return found
