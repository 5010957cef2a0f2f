"""What an invocation is given, and what is said of it when it has ended: its log lines, phases, bill and memory."""

from __future__ import annotations

import json
import time

from workbench.faas import messages as m
from workbench.faas.running.billing import BillingRule
from workbench.faas.running.calls import Call, Outcome
from workbench.faas.running.live_instance import LiveInstance
from workbench.faas.running.logs import end_line, report_line
from workbench.faas.running.runtime_api import Work

_BRIEF_MS, _FRESH_S = 5.0, 0.1
"""After an invocation shorter than this, memory is not measured again if that was done so recently: it reads files,
which takes as long as all else that the platform does for an invocation, and a peak never falls."""


def work_of(call: Call, timeout_s: float) -> Work:
    """The invocation as its instance gets it, with the headers of the Runtime API; its time runs from now."""
    deadline_ms = int((time.time() + timeout_s) * 1000)
    head = (
        "Content-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {call.request}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {call.arn}\r\n"
        f"Lambda-Runtime-Trace-Id: Root=1-{deadline_ms // 1000:08x}-{call.request[-12:] * 2};Sampled=0\r\n"
    )
    if call.client_context:
        head += f"Lambda-Runtime-Client-Context: {call.client_context}\r\n"
    return Work(call.request, head, call.payload, call.sink)


def failure(call: Call, command: m.Fail, live: LiveInstance) -> bytes:
    """What AWS answers in place of a handler that cannot any more; its words go to the log too."""
    if command.cause is m.Cause.INIT_ERROR:
        return live.init_error
    if command.cause is m.Cause.TIMEOUT:
        what = f"Task timed out after {live.function.timeout_s:.2f} seconds"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 10**6 % 1000:03d}Z"
        live.log.add(f"{stamp} {call.request} {what}\n\n".encode())
        kind = "Sandbox.Timedout"
    else:
        what = command.detail
        live.log.add(f"RequestId: {call.request} Error: {what}\nRuntime.ExitError\n".encode())
        kind = "Runtime.ExitError"
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {call.request} Error: {what}"}).encode()


def account(
    call: Call, live: LiveInstance, body: bytes, error: str | None, billing: BillingRule, now: float
) -> Outcome:
    """Close the books of an invocation that ran, or whose instance failed in init; `now` on the monotonic clock."""
    ran = call.instance is not None
    cold = call.cold or not ran
    duration_ms = (now - call.dispatched) * 1000 if ran else 0.0
    init_ms = live.init_ms() if cold else None
    live.read_output()
    live.measure(since_s=_FRESH_S if duration_ms < _BRIEF_MS and not cold else 0.0)
    billed, memory = billing.billed_ms(duration_ms, init_ms or 0.0), live.max_memory_mb
    live.log.add(end_line(call.request))
    live.log.add(report_line(call.request, duration_ms, billed, live.function.memory_mb, memory, init_ms))
    phases: dict[str, float | None] = live.phases() if cold else {}
    phases["handler_ms"] = round(duration_ms, 3) if ran else None
    return Outcome(
        call.request,
        body,
        error,
        live.name,
        live.function.number,
        cold,
        live.technique,
        phases,
        init_ms or 0.0,
        billed,
        memory,
        live.log.finish(),
    )
