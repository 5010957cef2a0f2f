"""Work for the CPU: a chain of SHA-256 digests, as long as asked.

Payload: `{"rounds": 20000, "seed": "text"}`. Twice the rounds is twice the CPU time, so this service shows what a CPU
limit does: with half a vCPU the same answer takes about twice as long.
"""

import hashlib

MOST_ROUNDS = 20_000_000


def handler(event, context):
    """Hash the seed `rounds` times; the digest proves that the work was done."""
    event = event or {}
    rounds = event.get("rounds", 20_000)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        raise ValueError(f"rounds must be a whole number from 1 to {MOST_ROUNDS}, not {rounds!r}")
    digest = str(event.get("seed", "workbench")).encode()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return {"rounds": rounds, "digest": digest.hex()}
