"""Hungry for memory: takes as many megabytes as asked, touches every page, and keeps them if told to.

Payload: `{"megabytes": 64, "keep": false}`. Ask for more than the instance's limit and see what each deployment does:
end the instance, slow down, or let the neighbours suffer. With `keep`, the memory stays taken between invocations,
like a cache that nobody empties.
"""

PAGE = 4096
MEGABYTE = 2**20
MOST = 10_240

kept = []


def handler(event, context):
    """Take the memory and say how much this instance now holds, in megabytes (2**20 bytes)."""
    event = event or {}
    megabytes = event.get("megabytes", 64)
    if isinstance(megabytes, bool) or not isinstance(megabytes, int) or not 0 <= megabytes <= MOST:
        raise ValueError(f"megabytes must be a whole number from 0 to {MOST}, not {megabytes!r}")
    taken = []
    for _ in range(megabytes):
        block = bytearray(MEGABYTE)
        for page in range(0, MEGABYTE, PAGE):
            block[page] = 1  # memory counts only once it is written to
        taken.append(block)
    if event.get("keep"):
        kept.extend(taken)
    return {"megabytes": megabytes, "kept": len(kept)}
