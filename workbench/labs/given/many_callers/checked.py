"""What the checker deploys: the learner's handler, and beside its answer what the warehouse has seen so far."""

import importlib
import sys
from typing import Any

# Imported anew with this file, so that two instances share nothing even where both live in one process.
for name in ("app", "warehouse"):
    sys.modules.pop(name, None)
_warehouse = importlib.import_module("warehouse")
_app = importlib.import_module("app")


def handler(event: Any, context: Any) -> dict[str, Any]:
    """The learner's answer or what it raised, and the warehouse's counts."""
    try:
        answer, raised = _app.handler(event, context), ""
    except Exception as error:
        answer, raised = None, f"{type(error).__name__}: {error}"
    return {"answer": answer, "raised": raised, "most": _warehouse.most, "turned_away": _warehouse.turned_away}
