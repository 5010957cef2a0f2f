"""A visitor counter, written as for one machine that never ends: it counts in memory, and in a
database in /tmp.

`{"action": "visit"}` counts a visit and answers with both counts, and with a name that the
instance drew when it started. COUNTER_WORK_MS says for how long a visit takes.
"""

import os
import secrets
import sqlite3
import tempfile
import threading
import time

WORK_S = float(os.environ.get("COUNTER_WORK_MS", "0")) / 1000

instance = secrets.token_hex(4)
lock = threading.Lock()
visits = {"all": 0}
# /tmp is the instance's own, as its memory is; the name makes sure where it is everybody's.
place = os.path.join(tempfile.gettempdir(), f"visits-{instance}.db")
database = sqlite3.connect(place, check_same_thread=False)
database.execute("create table visits (at real)")


def handler(event, context):
    """Both counts after this visit."""
    time.sleep(WORK_S)
    with lock:
        visits["all"] += 1
        with database:
            database.execute("insert into visits values (?)", (time.time(),))
        (stored,) = database.execute("select count(*) from visits").fetchone()
        return {"memory": visits["all"], "stored": stored, "instance": instance}
