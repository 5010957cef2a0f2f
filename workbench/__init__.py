"""The Deployment Workbench: one service, three deployments, four measurements.

service = wb.sample("pricing")
with wb.deploy(service, "serverless") as function:  # or "container", "vm"
    print(function.invoke({"sku": "A1", "quantity": 3}))
    cold = wb.experiments.cold_start(function, samples=20)
wb.charts.cold_start(cold)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import charts, experiments, labs, runs, statistics, tradeoff
    from workbench.capabilities import find as doctor
    from workbench.cleaning import clean
    from workbench.comparison import compare
    from workbench.deployment import Deployment
    from workbench.deployments import deploy
    from workbench.deployments.standing import platform
    from workbench.errors import WorkbenchError
    from workbench.events.http import gateway
    from workbench.image import image_context
    from workbench.invocation import InvocationResult, Phases
    from workbench.package import Package
    from workbench.records import Measurement, Provenance, Run
    from workbench.samples import sample
    from workbench.service import Resources, Service

__all__ = [
    "Deployment",
    "InvocationResult",
    "Measurement",
    "Package",
    "Phases",
    "Provenance",
    "Resources",
    "Run",
    "Service",
    "WorkbenchError",
    "charts",
    "clean",
    "compare",
    "deploy",
    "doctor",
    "experiments",
    "gateway",
    "image_context",
    "labs",
    "platform",
    "runs",
    "sample",
    "statistics",
    "tradeoff",
]

# Loaded at first use, so that `import workbench` is quick; a value names the module, or the module and the name in it.
_HOMES = {
    "Deployment": "deployment",
    "InvocationResult": "invocation",
    "Measurement": "records",
    "Package": "package",
    "Phases": "invocation",
    "Provenance": "records",
    "Resources": "service",
    "Run": "records",
    "Service": "service",
    "WorkbenchError": "errors",
    "clean": "cleaning",
    "compare": "comparison",
    "deploy": "deployments",
    "doctor": "capabilities:find",
    "gateway": "events.http:gateway",
    "image_context": "image",
    "platform": "deployments.standing:platform",
    "sample": "samples",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"workbench has no {name!r}")
    if name not in _HOMES:
        return importlib.import_module(f"workbench.{name}")
    module, _, inner = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(f"workbench.{module}"), inner or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
