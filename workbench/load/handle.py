"""The generator's process as its owner sees it: start it, follow it, send it elsewhere, stop it, take the result."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.result import LoadResult
from workbench.load.spec import ClosedSpec, LoadSpec
from workbench.load.targets import check_targets, targets_to_json
from workbench.session import VARIABLE, session_id

_START_S = 30.0
_STOP_S = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a load is, `t_s` seconds after its start.

    Requests due so far, ended (answered or not), and planned in all: of a closed loop, sent, ended and None. Then, of
    those that ended after the warm-up: answered well, and not (`errors`); percentiles of the former in milliseconds, to
    two significant digits, None before the first. `duration_s` is when the last request is due.
    """

    t_s: float
    due: int
    ended: int
    planned: int | None
    duration_s: float
    ok: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None

    @property
    def per_s(self) -> float:
        """Requests ended a second so far."""
        return self.ended / self.t_s if self.t_s > 0 else 0.0

    @property
    def remaining_s(self) -> float:
        """Seconds until the last request is due; the last answers may take longer."""
        return max(0.0, self.duration_s - self.t_s)


class Load:
    """A load that runs in its own process; a context manager that stops it when left early.

    `progress` is called from another thread, four times a second. Raises WorkbenchError when the spec is out of bounds.
    """

    def __init__(self, spec: LoadSpec | ClosedSpec, progress: Callable[[Progress], None] | None = None) -> None:
        self._spec = spec.check()
        self._progress = progress
        self._started = threading.Event()
        # Not Thread.join: Python 3.11 and 3.12 take a thread for ended when Ctrl-C interrupts a wait for it.
        self._ended = threading.Event()
        self._started_s = 0.0
        self._result: LoadResult | None = None
        self._error = ""
        self._raised: Exception | None = None
        self._writing = threading.Lock()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; see close()
        self._process = subprocess.Popen(
            # -P: a module of the current directory must not take the place of one of ours.
            [sys.executable, "-P", "-m", "workbench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, VARIABLE: session_id()},
        )
        threading.Thread(target=self._read, name="load-result", daemon=True).start()
        self._tell(spec.to_json())

    def started_s(self) -> float:
        """Wait until the load begins; its start on this machine's monotonic clock, in seconds."""
        if not self._started.wait(_START_S) or not self._started_s:
            raise self._failure()
        return self._started_s

    def retarget(self, targets: Sequence[Target]) -> None:
        """Send what is still to come to `targets`; nothing happens when the load is over."""
        check_targets(targets, allow_remote=self._spec.allow_remote)
        self._tell({"targets": targets_to_json(targets)})

    def result(self) -> LoadResult:
        """Wait for the end; raises WorkbenchError when the generator failed. Interrupted, it goes on: see `cancel`."""
        # The load ends itself at its bound; the generator that outlives it is broken, not slow.
        self._ended.wait(_START_S + self._spec.bound_s + _STOP_S)
        return self._finish()

    def cancel(self) -> LoadResult:
        """Stop now and return what there is, `complete` False if anything was left; also after `result`."""
        self._tell({"stop": True})
        self._ended.wait(_STOP_S)
        return self._finish()

    def close(self) -> None:
        """End the process, whatever it does; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._ended.wait(_STOP_S)
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _finish(self) -> LoadResult:
        try:
            if self._raised is not None:
                raise self._raised
            if self._result is None:
                raise self._failure()
            return self._result
        finally:
            self.close()

    def _failure(self) -> WorkbenchError:
        if self._error:
            return WorkbenchError(self._error)
        if self._stderr.closed:
            return WorkbenchError("This load was closed before it had a result. Start another.")
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip()[-2000:]
        message = f"The load generator {self._end()} without a result. Start the load again."
        return WorkbenchError(message + (f" It said:\n{said}" if said else ""))

    def _end(self) -> str:
        try:
            code = self._process.wait(0.5)  # its output ends a moment before it does
        except subprocess.TimeoutExpired:
            return "goes on, but too long,"
        if code >= 0:
            return f"ended with status {code}"
        name = signal.Signals(-code).name
        return f"was ended by somebody's {name} (too little memory does that)"

    def _tell(self, message: dict[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is None:
            return
        # A generator that has ended reads no more; its result, or its error, tells why.
        with self._writing, contextlib.suppress(OSError, ValueError):
            stdin.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            stdin.flush()

    def _read(self) -> None:
        stdout = self._process.stdout
        if stdout is None:
            return
        try:
            with stdout:
                for line in stdout:
                    self._take(json.loads(line))
        except (ValueError, WorkbenchError) as error:
            self._error = self._error or f"The load generator's answer could not be read: {error}"
        finally:
            self._started.set()
            self._ended.set()

    def _take(self, message: dict[str, Any]) -> None:
        if "started_s" in message:
            self._started_s = message["started_s"]
            self._started.set()
        elif "progress" in message:
            planned = len(self._spec.planned_s) if isinstance(self._spec, LoadSpec) else None
            self._report(Progress(**message["progress"], planned=planned, duration_s=self._spec.duration_s))
        elif "error" in message:
            self._error = message["error"]
        elif "result" in message:
            self._result = LoadResult.from_json(message["result"])

    def _report(self, progress: Progress) -> None:
        # The caller's own code, on our thread: what it raises is the caller's to see, and must not end the reading.
        if self._progress is None or self._raised is not None:
            return
        try:
            self._progress(progress)
        except Exception as error:
            self._raised = error
