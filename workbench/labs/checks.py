"""The live check of an exercise: the learner's code is really deployed, and asked what only right code answers."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, TypeVar

from workbench.deployment import Deployment
from workbench.errors import HandlerError, InvocationTimeout, WorkbenchError
from workbench.labs.panel import Panel
from workbench.service import Service

Made = TypeVar("Made")
Deployer = Callable[[Service, str], Deployment]


class NotYet(Exception):
    """A check's finding that the code does not do it yet; the message says what was seen and what was expected."""


class Bench:
    """Where checks run: the learner's service, deployed once for each pattern, all closed together."""

    def __init__(self, service: Service, deploy: Deployer) -> None:
        self._service, self._deploy = service, deploy
        self._open: dict[str, Deployment] = {}
        self._kept: dict[str, Any] = {}
        self._stack = contextlib.ExitStack()

    def deployed(self, pattern: str, instances: int = 1) -> Deployment:
        """The service as `pattern`, with `instances` ready."""
        if pattern not in self._open:
            self._open[pattern] = self._stack.enter_context(self._deploy(self._service, pattern))
            self._open[pattern].scale(instances)
        return self._open[pattern]

    def beside(self, pattern: str, handler: str) -> Deployment:
        """The same files with another handler, on the same platform as `deployed(pattern)`."""
        return self.neighbour(pattern, replace(self._service, handler=handler))

    @property
    def service(self) -> Service:
        """What is checked."""
        return self._service

    def neighbour(self, pattern: str, service: Service) -> Deployment:
        """Another service, or another version of this one, on the same platform as `deployed(pattern)`."""
        return self._stack.enter_context(self.deployed(pattern).beside(service))

    def kept(self, name: str, make: Callable[[], contextlib.AbstractContextManager[Made]]) -> Made:
        """What `make` makes, once for all checks that ask for it by this name; it is closed with the rest."""
        if name not in self._kept:
            self._kept[name] = self._stack.enter_context(make())
        made: Made = self._kept[name]
        return made

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()


@dataclass(frozen=True)
class Check:
    """One thing the code must do; `test` raises NotYet, and returns what it saw when it holds."""

    title: str
    test: Callable[[Bench], str]


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    title: str
    passed: bool
    seen: str


def check(title: str) -> Callable[[Callable[[Bench], str]], Check]:
    """Make a function of a Bench a Check with this title."""
    return lambda test: Check(title, test)


def expect(seen: Any, wanted: Any, story: str) -> None:
    """Raise NotYet unless `seen` equals `wanted`, telling the story that led there."""
    if seen != wanted:
        raise NotYet(f"{story} It answered {brief(seen)}; expected {brief(wanted)}.")


def brief(value: Any) -> str:
    """A value as short JSON."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 120 else text[:117] + "..."


def run(checks: Sequence[Check], service: Service, deploy: Deployer) -> tuple[Outcome, ...]:
    """Run every check in order on freshly deployed code; a check that fails does not stop the next."""
    limited = service.with_resources(replace(service.resources, timeout_s=min(service.resources.timeout_s, 10)))
    bench = Bench(limited, deploy)
    try:
        return tuple(_outcomes(checks, bench))
    finally:
        bench.close()


def _outcomes(checks: Sequence[Check], bench: Bench) -> Iterator[Outcome]:
    stuck = False
    for one in checks:
        if stuck:  # each would wait for the time limit again
            yield Outcome(one.title, False, "Not tried: first the handler must answer in time.")
            continue
        try:
            yield Outcome(one.title, True, one.test(bench))
        except NotYet as finding:
            yield Outcome(one.title, False, str(finding))
        except InvocationTimeout:
            stuck = True
            yield Outcome(one.title, False, "The handler did not answer in time. Look for a loop that never ends.")
        except HandlerError as error:
            yield Outcome(
                one.title, False, f"Your code raised {error.error_type}: {error.error_message}{_place(error)}"
            )
        except WorkbenchError as error:
            yield Outcome(one.title, False, f"It could not be tried: {error}")


def _place(error: HandlerError) -> str:
    """Where in the learner's own file it was raised, when the trace tells."""
    lines = re.findall(r'app\.py", line (\d+)', "".join(error.stack_trace))
    return f" (app.py, line {lines[-1]})" if lines else ""


def report(name: str, outcomes: Sequence[Outcome], notice: str = "") -> Panel:
    """All outcomes as one card: what holds, and for the rest what was seen."""
    passed = sum(o.passed for o in outcomes)
    done = passed == len(outcomes)
    rows = "".join(
        f'<div style="margin-top:6px"><span style="color:{"#2b8a5b" if o.passed else "#c2573a"};font-weight:700">'
        f"{'✓' if o.passed else '✗'}</span> {escape(o.title)}"
        f'<div style="margin-left:18px;opacity:.75;font-size:13px">{escape(o.seen)}</div></div>'
        for o in outcomes
    )
    rows += f'<div style="margin-top:8px">{escape(notice)}</div>' if notice else ""
    text = "\n".join(f"{'pass' if o.passed else 'not yet'}: {o.title}\n    {o.seen}" for o in outcomes)
    title = f"{name}: all {passed} checks pass" if done else f"{name}: {passed} of {len(outcomes)} checks pass"
    return Panel(title, rows, f"{text}\n{notice}".rstrip(), "good" if done else "note")
