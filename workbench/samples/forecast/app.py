"""A shop's sales forecast: what to expect in an hour of the week.

`{"weekday": 5, "hour": 17}` (Monday is 0) is answered with the sales to expect then, and with
two identifiers: `identity` is drawn at import, `drawn` in the handler. FORECAST_YEARS says how
many years of hourly sales are fitted: 10 unless it is set.
"""

import os
import time
import uuid

HOURS_A_YEAR = 8760
HOURS_A_WEEK = 168


def sales(years):
    """The sales of each hour: a trend, daytime, the weekend, and something like noise."""
    state = 1
    for hour in range(years * HOURS_A_YEAR):
        state = (state * 1103515245 + 12345) % 2147483648  # a generator: the same series always
        daytime, weekend = 8 <= hour % 24 < 20, hour // 24 % 7 >= 5
        yield 200 + hour / 500 + 30 * daytime + 45 * weekend + (state >> 16) % 21 - 10


def fit(years):
    """The mean of each hour of the week, and the growth an hour by least squares."""
    sums, counts = [0.0] * HOURS_A_WEEK, [0] * HOURS_A_WEEK
    n = sum_x = sum_y = sum_xx = sum_xy = 0
    for hour, sold in enumerate(sales(years)):
        sums[hour % HOURS_A_WEEK] += sold
        counts[hour % HOURS_A_WEEK] += 1
        n, sum_x, sum_y = n + 1, sum_x + hour, sum_y + sold
        sum_xx, sum_xy = sum_xx + hour * hour, sum_xy + hour * sold
    growth = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
    return [total / count for total, count in zip(sums, counts, strict=True)], growth, n


def draw_identity():
    """A name for this instance, to tell it apart from every other."""
    global identity
    identity = uuid.uuid4().hex[:12]


MEANS, GROWTH, FITTED_HOURS = fit(int(os.environ.get("FORECAST_YEARS", "10")))
draw_identity()
if os.environ.get("FORECAST_RENEW"):
    from snapshot_restore_py import register_after_restore

    register_after_restore(draw_identity)


def handler(event, context):
    """The sales to expect; `hold_s` keeps the instance busy, as waiting for a database would."""
    event = event or {}
    weekday, hour = event.get("weekday", 5), event.get("hour", 17)
    if weekday not in range(7) or hour not in range(24):
        raise ValueError(f"weekday is 0 (Monday) to 6, hour 0 to 23; not {weekday!r}, {hour!r}")
    time.sleep(min(float(event.get("hold_s", 0)), 5))
    expected = MEANS[weekday * 24 + hour] + GROWTH * FITTED_HOURS / 2
    return {
        "sales": round(expected, 1),
        "fitted_hours": FITTED_HOURS,
        "identity": identity,
        "drawn": uuid.uuid4().hex[:12],
    }
