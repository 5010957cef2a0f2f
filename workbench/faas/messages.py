"""What the scheduler is told and what it answers: events in, commands out, all frozen.

`at` is seconds on the machine's monotonic clock. Requests, instances and functions go by their names here; payloads,
sandboxes and sockets are the supervisor's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workbench.instance import InstanceState


class Cause(StrEnum):
    """Why an accepted request has no answer from a handler."""

    TIMEOUT = "timeout"  # its deadline passed (or that of the init it waited for)
    INIT_ERROR = "init-error"  # the runtime reported that the service could not be loaded
    EXIT = "exit"  # the instance ended by itself, in init or while it ran the request
    LAUNCH = "launch"  # this machine could not make a sandbox
    DELETED = "deleted"  # the function was deleted while the request waited, or does not exist


class Limit(StrEnum):
    """Which concurrency limit refused a request; the values are the model's ThrottleReason."""

    FUNCTION = "ReservedFunctionConcurrentInvocationLimitExceeded"
    ACCOUNT = "ConcurrentInvocationLimitExceeded"
    BURST = "FunctionInvocationRateLimitExceeded"  # it grows too fast; AWS does not say which of its reasons that has


# ---- events: what happened -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FunctionPut:
    """A function was created, or changed: instances of another revision (`version`) serve nothing new.

    `function` is the unit that instances are started for; several of one `pool` (published versions of one name) share
    its concurrency.
    """

    at: float
    function: str
    version: str
    timeout_s: float
    pool: str = ""  # the function's own, if empty


@dataclass(frozen=True, slots=True)
class ConcurrencySet:
    """A pool's reserved concurrency was set, or with None lifted."""

    at: float
    pool: str
    reserved: int | None


@dataclass(frozen=True, slots=True)
class ProvisionedSet:
    """So many instances of the function are to be kept ready ahead of need."""

    at: float
    function: str
    count: int


@dataclass(frozen=True, slots=True)
class FunctionDeleted:
    """The function is gone; what runs may finish."""

    at: float
    function: str


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A request wants an instance; with `cold` a new one (by `technique`, if named), which then replaces the others."""

    at: float
    request: str
    function: str
    cold: bool = False
    technique: str = ""


@dataclass(frozen=True, slots=True)
class SandboxMade:
    """The instance executed its first instruction: its init begins."""

    at: float
    instance: str


@dataclass(frozen=True, slots=True)
class Polled:
    """The instance asks for its next invocation: it can take one."""

    at: float
    instance: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The instance gave its answer (or the handler's error) to the request it ran."""

    at: float
    instance: str


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The instance reported that it cannot be initialised."""

    at: float
    instance: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The instance ended, whoever wanted it; `cause` matters only where nobody did.

    `unseen`: it cannot have seen the request that it was given.
    """

    at: float
    instance: str
    cause: Cause = Cause.EXIT
    detail: str = ""
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The moment of the instance's latest SetTimer came (one that came too early is no harm)."""

    at: float
    instance: str


FunctionEvent = FunctionPut | ConcurrencySet | ProvisionedSet | FunctionDeleted | RequestArrived
InstanceSignal = SandboxMade | Polled | Answered | InitFailed | Gone | TimerFired
Event = FunctionEvent | InstanceSignal

# ---- commands: what to do about it, in this order -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Launch a sandbox for this version: by `technique` if one is named; `provisioned` means ahead of need."""

    instance: str
    function: str
    version: str
    technique: str = ""
    provisioned: bool = False


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Hand the request to the instance, which asked for one; `cold` when it is the instance's first."""

    instance: str
    request: str
    cold: bool
    deadline: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """Take the instance's CPU away."""

    instance: str


@dataclass(frozen=True, slots=True)
class Thaw:
    """Give it back."""

    instance: str


@dataclass(frozen=True, slots=True)
class StopInstance:
    """End the instance, release what it holds, then say Gone."""

    instance: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Say TimerFired at `when`, in place of any earlier wish; None for no more."""

    instance: str
    when: float | None


@dataclass(frozen=True, slots=True)
class Fail:
    """The request ends without the handler's answer; `instance` is the one to blame, if any."""

    request: str
    cause: Cause
    instance: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Throttle:
    """The request is refused; nothing ran."""

    request: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Moved:
    """The instance changed its state (for whoever watches)."""

    at: float
    function: str
    instance: str
    state: InstanceState
    detail: str = ""


Command = StartInstance | Dispatch | Freeze | Thaw | StopInstance | SetTimer | Fail | Throttle | Moved
