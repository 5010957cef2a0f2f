"""Work for the CPU: a chain of SHA-256 digests, as long as asked.

Payload: `{"rounds": 20000, "seed": "text", "wait_ms": 0}`. Twice the rounds is twice the CPU time, so this service
shows what a CPU limit does: with half a vCPU the same answer takes about twice as long. `wait_ms` is waited first,
without the CPU, as for a database's answer.
"""

import hashlib
import time

MOST_ROUNDS = 20_000_000
MOST_WAIT_MS = 10_000


def handler(event, context):
    """Hash the seed `rounds` times; the digest proves that the work was done."""
    event = event or {}
    rounds = event.get("rounds", 20_000)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        raise ValueError(f"rounds must be a whole number from 1 to {MOST_ROUNDS}, not {rounds!r}")
    wait_ms = event.get("wait_ms", 0)
    if isinstance(wait_ms, bool) or not isinstance(wait_ms, int | float) or not 0 <= wait_ms <= MOST_WAIT_MS:
        raise ValueError(f"wait_ms must be a number from 0 to {MOST_WAIT_MS}, not {wait_ms!r}")
    time.sleep(wait_ms / 1000)
    digest = str(event.get("seed", "workbench")).encode()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return {"rounds": rounds, "digest": digest.hex()}
