"""The handler as it was given, which the learner's is measured against."""

import importlib
import itertools
import secrets
import sys
from typing import Any

sys.modules.pop("customs", None)  # for the same reason as in checked.py
DUTIES = importlib.import_module("customs").load()
SERIES = secrets.token_hex(4)
counter = itertools.count(1)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """An order's number and what it comes to."""
    duty = event["net"] * DUTIES[event["to"]] // 100 if "to" in event else 0
    return {"order": f"{SERIES}-{next(counter)}", "total": event["net"] + duty}
