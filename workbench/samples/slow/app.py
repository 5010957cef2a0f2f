"""A service that takes long to start, as one does that loads a model or fills a cache, and is quick afterwards.

SLOW_START_S says how long its start takes, SLOW_WORK_MS how long each request.
"""

import os
import time

START_S = float(os.environ.get("SLOW_START_S", "0"))
WORK_S = float(os.environ.get("SLOW_WORK_MS", "20")) / 1000

time.sleep(START_S)


def handler(event, context):
    """An answer, after some work."""
    time.sleep(WORK_S)
    return {"started_in_s": START_S}
