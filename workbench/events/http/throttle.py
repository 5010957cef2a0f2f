"""Token buckets: so many requests a second, and so many at once.

API Gateway developer guide, "Throttle requests to your HTTP APIs": a request takes a token, tokens come back at the
rate limit, and there are never more than the burst limit. Time comes from outside.
"""

from __future__ import annotations

from collections.abc import Hashable

from workbench.events.http.apis import Limit


class Bucket:
    """One bucket, full at first."""

    def __init__(self, limit: Limit, now_s: float) -> None:
        self.limit = limit
        self._tokens = float(limit.burst)
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Whether there is a token for one request now; then it is taken. `now_s` may not run backwards."""
        back = max(0.0, now_s - self._at_s) * self.limit.rate
        self._tokens = min(float(self.limit.burst), self._tokens + back)
        self._at_s = max(self._at_s, now_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Throttle:
    """The buckets of all stages and routes; one begins anew when its limit is changed."""

    def __init__(self) -> None:
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, name: Hashable, limit: Limit, now_s: float) -> bool:
        """Whether a request may pass the bucket of that name."""
        bucket = self._buckets.get(name)
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[name] = Bucket(limit, now_s)
        return bucket.take(now_s)
