"""Everything that can go wrong, as one tree.

    WorkbenchError
    ├── PackageError            the service cannot be packaged, or the ZIP is refused
    ├── CapabilityMissing       this machine lacks a part; says which and how to get it
    ├── DeploymentError         a deployment, sandbox or platform failed to start or to go on
    ├── InvocationError         an invocation has no answer; `definite` says if the handler may have run
    │   ├── HandlerError        the handler (or its module, at import) raised
    │   ├── InvocationTimeout   the time limit passed
    │   └── Throttled           refused at a concurrency limit; the handler did not run
    ├── InvalidTransition       an instance was asked to move where its state does not lead
    └── RecordError             a measurement or run cannot be read, written or compared

A message tells the person what happened and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class WorkbenchError(Exception):
    """Base of every error this project raises on purpose."""


class PackageError(WorkbenchError):
    """The service directory or its ZIP cannot be used."""


class CapabilityMissing(WorkbenchError):
    """This machine lacks `what`; `remedy` is how to get it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


class DeploymentError(WorkbenchError):
    """A deployment or one of its parts could not be started, changed or reached."""


class InvocationError(WorkbenchError):
    """An invocation ended without the handler's answer.

    `definite` is True when the handler certainly did not run (a retry is safe), False when it may have.
    """

    def __init__(self, message: str, *, definite: bool = False) -> None:
        super().__init__(message)
        self.definite = definite


class HandlerError(InvocationError):
    """The service's own code raised; `error_type` and `stack_trace` are the service's."""

    def __init__(self, message: str, error_type: str = "Error", stack_trace: Sequence[str] = ()) -> None:
        trace = "".join(line if line.endswith("\n") else line + "\n" for line in stack_trace)
        super().__init__(f"{error_type}: {message}" + (f"\n{trace.rstrip()}" if trace else ""))
        self.error_message = message
        self.error_type = error_type
        self.stack_trace = tuple(stack_trace)

    @classmethod
    def told(cls, error: Mapping[str, Any]) -> HandlerError:
        """The error of a module that could not be loaded, as its instance tells it in Lambda's words."""
        return cls(
            str(error.get("errorMessage", "the module could not be loaded")),
            str(error.get("errorType", "Error")),
            [str(line) for line in error.get("stackTrace") or ()],
        )


class InvocationTimeout(InvocationError):
    """The time limit passed before the handler answered; it may have run."""


class Throttled(InvocationError):
    """Refused at a concurrency limit before the handler ran."""

    def __init__(self, message: str) -> None:
        super().__init__(message, definite=True)


class InvalidTransition(WorkbenchError):
    """Instance `instance` cannot go from state `source` to `target`; `history` is how it got there."""

    def __init__(self, instance: str, source: str, target: str, history: Sequence[str] = ()) -> None:
        way = f" (so far: {' → '.join(history)})" if history else ""
        super().__init__(f"instance {instance} cannot go from {source} to {target}{way}")
        self.instance, self.source, self.target, self.history = instance, source, target, tuple(history)


class RecordError(WorkbenchError):
    """A stored run or measurement is unreadable, of an unknown version, or not comparable."""
