"""Latencies so far, for the live view: a histogram of fixed size, whatever the number of requests.

An HDR histogram (High Dynamic Range, G. Tene) has buckets whose width grows with the value, so that each percentile is
right to two significant digits from a microsecond to ten minutes. The result's own percentiles are of all samples.
"""

from __future__ import annotations

from hdrh.histogram import HdrHistogram

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 600_000_000, 2


class LiveLatencies:
    """Counts latencies (seconds in) and tells their percentiles (milliseconds out)."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
        self.count = 0

    def add(self, latency_s: float) -> None:
        """One more; below a microsecond or above ten minutes it counts as that."""
        self._histogram.record_value(min(max(round(latency_s * 1e6), _LOWEST_US), _HIGHEST_US))
        self.count += 1

    def percentile_ms(self, q: float) -> float | None:
        """The `q`-th percentile so far, to two significant digits; None before the first."""
        return self._histogram.get_value_at_percentile(q) / 1e3 if self.count else None
