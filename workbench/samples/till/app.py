"""A shop's till: it tells what an article costs, and it can be made to stand still at a known time.

`{"article": "tea"}` is answered with a price in cents. The first request for an article works its
price out, which keeps the CPU busy for a while; later ones find it kept. With `"again": true` it
is worked out anew.

TILL_STALL_S and TILL_STALL_AT_S make it stand still, as a long garbage collection or a locked
table does: for so many seconds, beginning so many seconds after its first request. Whatever comes
in meanwhile waits for the end.
"""

import hashlib
import os
import threading
import time

ROUNDS = 20_000
MOST_KEPT = 10_000
STALL_S = float(os.environ.get("TILL_STALL_S", "0"))
STALL_AT_S = float(os.environ.get("TILL_STALL_AT_S", "0"))

prices = {}
opened = {}
lock = threading.Lock()


def price(article):
    """A price from 1 to 100 euros, the same for the same article, at the cost of some work."""
    digest = hashlib.pbkdf2_hmac("sha256", article.encode(), b"till", ROUNDS)
    return 100 + int.from_bytes(digest[:4], "big") % 9901


def stand_still():
    """Wait for the end of the stall, for a request that comes in it; seconds waited."""
    now = time.monotonic()
    with lock:
        begins = opened.setdefault("at", now) + STALL_AT_S
    wait = begins + STALL_S - now if begins <= now < begins + STALL_S else 0.0
    time.sleep(wait)
    return wait


def handler(event, context):
    """The price of an article, whether it was kept, and for how long the till stood still meanwhile."""
    event = event or {}
    article = event.get("article", "tea")
    if not isinstance(article, str) or not 1 <= len(article) <= 100:
        raise ValueError(f"article must be a name of 1 to 100 characters, not {article!r}")
    waited = stand_still()
    kept = article in prices and not event.get("again")
    if not kept:
        if len(prices) >= MOST_KEPT:
            prices.clear()
        prices[article] = price(article)
    return {"article": article, "cents": prices[article], "kept": kept, "stood_still_s": round(waited, 3)}
