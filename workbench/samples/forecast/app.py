"""A shop's sales forecast: the sales to expect in an hour of the week, fitted to the hours sold so far.

`{"weekday": 5, "hour": 17}` (Monday is 0) is answered with the sales to expect then. Two things to notice when it is
deployed:

- All the work is done when the module is imported: once an instance, in its init phase. FORECAST_YEARS (10 unless it is
  set) says how many years of hourly sales are fitted, and so how much work it is.
- `identity` is drawn at import, `drawn` in the handler. An instance that is restored from a snapshot finds what was
  drawn at import already there. With FORECAST_RENEW set, a hook draws the identity anew after a restore (AWS Lambda
  developer guide, "Implement code before or after Lambda function snapshots").
"""

import os
import time
import uuid

HOURS_A_YEAR = 8760
HOURS_A_WEEK = 168


def sales(years):
    """The sales of each hour: a trend, the hour of the day, the day of the week, and something like noise."""
    state = 1
    for hour in range(years * HOURS_A_YEAR):
        state = (state * 1103515245 + 12345) % 2147483648  # a linear congruential generator: the same series always
        yield 200 + hour / 500 + 30 * (8 <= hour % 24 < 20) + 45 * (hour // 24 % 7 >= 5) + state % 21 - 10


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
    identity = str(uuid.uuid4())


MEANS, GROWTH, FITTED_HOURS = fit(int(os.environ.get("FORECAST_YEARS", "10")))
draw_identity()
if os.environ.get("FORECAST_RENEW"):
    from snapshot_restore_py import register_after_restore

    register_after_restore(draw_identity)


def handler(event, context):
    """The sales to expect; `hold_s` keeps the instance busy for as long, as waiting for a database would."""
    event = event or {}
    weekday, hour = event.get("weekday", 5), event.get("hour", 17)
    if weekday not in range(7) or hour not in range(24):
        raise ValueError(f"weekday is 0 (Monday) to 6 and hour 0 to 23, not {weekday!r} and {hour!r}")
    time.sleep(min(float(event.get("hold_s", 0)), 5))
    expected = MEANS[weekday * 24 + hour] + GROWTH * FITTED_HOURS / 2
    return {
        "sales": round(expected, 1),
        "fitted_hours": FITTED_HOURS,
        "identity": identity,
        "drawn": str(uuid.uuid4()),
    }
