"""The shop's ledger: a store of its own, the same for all instances, there when they have gone.

An entry has a key. Nothing is ever overwritten: who writes under a key that is there changes nothing.
"""

import json
import os
import socket
from typing import Any


def write(key: str, cents: int) -> bool:
    """Enter an amount under `key`; whether it is new. Raises ConnectionError when the ledger cannot be reached."""
    return bool(_ask({"write": key, "cents": cents})["new"])


def set_aside(key: str, why: object) -> None:
    """Put something that cannot be booked on the pile that a person looks through."""
    _ask({"aside": key, "why": str(why)})


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    with socket.create_connection(("127.0.0.1", int(os.environ["LEDGER_PORT"])), timeout=5) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answers:
            line = answers.readline()
    if not line:
        raise ConnectionError("the ledger does not answer")
    answer: dict[str, Any] = json.loads(line)
    return answer
