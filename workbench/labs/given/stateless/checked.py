"""What the checker deploys: the learner's handler, and beside its answer how often the catalogue was read."""

import importlib
import sys
import time
from typing import Any

# Imported anew with this file, so that two instances share nothing even where both live in one process.
for name in ("app", "catalogue"):
    sys.modules.pop(name, None)
_catalogue = importlib.import_module("catalogue")
_app = importlib.import_module("app")


def handler(event: Any, context: Any) -> dict[str, Any]:
    """The learner's answer, and the count; `hold_s` keeps the instance busy, so that the next call goes to another."""
    hold_s = event.pop("hold_s", 0)
    answer = _app.handler(event, context)
    time.sleep(hold_s)
    return {"answer": answer, "loads": _catalogue.loads}
