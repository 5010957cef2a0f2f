"""The boot of a virtual machine, step by step: measured where QEMU is, else as it was recorded."""

from __future__ import annotations

from typing import Any

from workbench import capabilities
from workbench.findings import steps
from workbench.findings.selecting import select
from workbench.invocation import InvocationResult
from workbench.labs.built import RECORDED
from workbench.recorded import recorded
from workbench.records import Measurement, Provenance
from workbench.service import Service

STEPS = ("vmm", "kernel", "init", "runtime init", "function init", "answer")
"""Of a machine's boot, in their order: the choices of a question about it."""


def boots(service: Service, payload: Any, times: int = 1) -> Measurement:
    """Boot a virtual machine for a call, `times` in turn; the recorded boots where QEMU or a kernel is missing.

    Samples: milliseconds from the order to the answer. Detail: `steps`, of each boot the milliseconds of each of STEPS;
    `answer` is what is left: the request's way there and back, and the handler.
    """
    if not capabilities.find().qemu.available:
        return recorded(RECORDED).of("boot")["vm"]
    from workbench import isolation  # what boots a machine is loaded where one is booted
    from workbench.deployments.vm import VmDeployment

    # Made without the instance that `deploy` would boot beforehand: each call here boots its own.
    with VmDeployment(service, isolation.machine_label(), isolation.launcher("qemu")) as vm:
        results = [vm.invoke_cold(payload) for _ in range(times)]
        return Measurement(
            "boot",
            vm.pattern,
            vm.sandbox,
            "ms",
            tuple(r.latency_ms for r in results),
            Provenance("measured", f"boots for a call each, {times} in turn, timed from outside; {vm.sandbox}"),
            detail={"steps": [_steps(r) for r in results]},
        )


def _steps(result: InvocationResult) -> dict[str, float]:
    own = {"runtime init": result.phases.runtime_init_ms, "function init": result.phases.function_init_ms}
    found = {**dict(result.phases.sandbox_steps), **{name: ms for name, ms in own.items() if ms is not None}}
    return {**found, "answer": max(0.0, result.latency_ms - sum(found.values()))}


def longest(measured: Measurement) -> str:
    """The step of a boot that took longest, by the median."""
    middles = steps.medians(measured.detail["steps"])
    return max(middles, key=lambda name: middles[name])


def obtained(measured: Measurement) -> str:
    """How a measurement was obtained, in words."""
    return select(measured, measured.experiment).provenance
