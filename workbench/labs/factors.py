"""Cold starts by one factor of the learner's choice: what makes the deployment of each level."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.errors import DeploymentError
from workbench.experiments import Progress, cold_start_by
from workbench.experiments.languages import TRIED
from workbench.experiments.variants import MOST_RANDOM_MB, importing, of_size, with_memory
from workbench.findings import factor
from workbench.findings.comparing import slower_than_fastest
from workbench.instance import InstanceState
from workbench.invocation import InvocationResult
from workbench.labs.walls import GROWTHS
from workbench.records import Measurement
from workbench.service import Service
from workbench.session import session_dir

PROVISIONED = "provisioned"
_RESTING = (InstanceState.IDLE, InstanceState.FROZEN)
_READY_WITHIN_S = 30.0

_WEB = ("asyncio", "http.server", "email.mime.multipart", "xml.dom.minidom", "sqlite3", "ssl")
_TOOLS = (
    *("unittest.mock", "multiprocessing.managers", "concurrent.futures.process", "pydoc", "statistics", "doctest"),
    *("xmlrpc.server", "ftplib", "imaplib", "smtplib", "mailbox", "wsgiref.simple_server", "html.parser", "pdb"),
    *("tarfile", "zipfile", "csv", "logging.handlers", "optparse", "configparser", "plistlib", "zoneinfo", "shelve"),
)

WEIGHTS: Mapping[str, Sequence[str]] = {
    "nothing": (),
    "asyncio": ("asyncio",),
    "web, mail, XML": _WEB,
    "many modules": (*_WEB, *_TOOLS),
}
"""Modules of the standard library by what they weigh; how many come with each, the measured level says."""

Levels = dict[str, Callable[[], Deployment]]


def by_factor(
    name: str,
    service: Service,
    payload: Any = None,
    *,
    deployment: str = "serverless",
    sandbox: str = "auto",
    samples: int = 8,
    levels: Sequence[Any] | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Cold starts in ms at each level of a factor of FACTORS, interleaved; see `cold_start_by` for what comes back.

    `levels` are of the factor's kind: MB of package size or memory, names of techniques, languages, deployments or of
    WEIGHTS; by default a few. Serverless instances start by spawn, unless the technique is the factor. Raises
    DeploymentError for a factor that there is not.
    """
    if name not in FACTORS:
        raise DeploymentError(f"There is no factor {name!r}. Choose one of: {', '.join(FACTORS)}.")
    default, make = FACTORS[name]
    chosen = tuple(default if levels is None else levels)
    with tempfile.TemporaryDirectory(dir=session_dir(), prefix="levels.") as place:
        Path(place).chmod(0o755)
        if name == "deployment":
            made = make(chosen, service, service, Path(place))
            return cold_start_by(name, made, samples=samples, payload=payload, progress=progress)
        with deploy(service, deployment, sandbox=sandbox) as base:
            made = make(chosen, service, base, Path(place))
            ready = (PROVISIONED,)
            return cold_start_by(name, made, samples=samples, payload=payload, ready=ready, progress=progress)


def grown(measured: Sequence[Measurement]) -> str | None:
    """By how much the slowest level's median is above the quickest's, as one of GROWTHS; None if there is only one."""
    _, others = slower_than_fastest({factor.level(m): m.samples for m in measured})
    if not others:
        return None
    slowest = others[-1]
    if not slowest.beyond_noise:
        return GROWTHS[0]
    return GROWTHS[1] if slowest.ratio <= 2 else GROWTHS[2] if slowest.ratio <= 5 else GROWTHS[3]


class _Ready:
    """A deployment with an instance kept ready, whose every `invoke_cold` is answered by one that served nobody yet."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def __enter__(self) -> _Ready:
        return self

    def __exit__(self, *_: object) -> None:
        self._deployment.close()

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """End what has answered before, wait until another is ready, and call."""
        for instance in self._deployment.instances():
            if instance.invocations:
                self._deployment.kill_instance(instance.instance_id)
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._fresh():
            if time.monotonic() > deadline:
                raise DeploymentError(f"No instance was ready within {_READY_WITHIN_S:g} s. Look at events().")
            time.sleep(0.02)
        return self._deployment.invoke(payload)

    def _fresh(self) -> bool:
        living = self._deployment.instances()
        return bool(living) and all(i.state in _RESTING and not i.invocations for i in living)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)


def _techniques(chosen: Sequence[str], service: Service, base: Any, place: Path) -> Levels:
    def start(technique: str) -> Any:
        # A function of its own: what ends an instance of one level must not end another's.
        function = base.beside(service)
        return _Ready(function.provisioned(1)) if technique == PROVISIONED else function.by(technique)

    if not hasattr(base, "by"):
        raise DeploymentError(f"Only serverless instances start by several techniques; {base.pattern} has one.")
    return {technique: functools.partial(start, technique) for technique in chosen}


def _sizes(chosen: Sequence[int], service: Service, base: Any, place: Path) -> Levels:
    def label(megabytes: int) -> str:
        return f"{megabytes} MB" if megabytes <= MOST_RANDOM_MB else f"{megabytes} MB ({MOST_RANDOM_MB} zipped)"

    def start(megabytes: int) -> Any:
        return _spawning(base.beside(of_size(service, megabytes, place)))

    return {label(n): functools.partial(start, n) for n in chosen}


def _weights(chosen: Sequence[str], service: Service, base: Any, place: Path) -> Levels:
    def start(name: str) -> Any:
        return _spawning(base.beside(importing(WEIGHTS[name], place, service.resources)))

    return {name: functools.partial(start, name) for name in chosen}


def _memories(chosen: Sequence[int], service: Service, base: Any, place: Path) -> Levels:
    def start(memory_mb: int) -> Any:
        return _spawning(base.beside(with_memory(service, memory_mb)))

    return {f"{n:,} MB": functools.partial(start, n) for n in chosen}


def _languages(chosen: Sequence[str], service: Service, base: Any, place: Path) -> Levels:
    def start(name: str) -> Any:
        own = place / name
        own.mkdir()
        return _spawning(base.beside(next(one for one in TRIED if one.name == name).service(own)))

    return {name: functools.partial(start, name) for name in chosen}


def _deployments(chosen: Sequence[str], service: Service, base: Any, place: Path) -> Levels:
    return {name: functools.partial(deploy, service, name) for name in chosen}


def _spawning(deployment: Any) -> Any:
    return deployment.by("spawn") if hasattr(deployment, "by") else deployment


FACTORS: dict[str, tuple[Sequence[Any], Callable[[Sequence[Any], Service, Any, Path], Levels]]] = {
    "technique": (("spawn", "zygote", "snapshot", PROVISIONED), _techniques),
    "package size": ((1, 10, 40), _sizes),
    "import weight": (tuple(WEIGHTS), _weights),
    "memory": ((128, 512, 1769, 3008), _memories),
    "language": (tuple(one.name for one in TRIED), _languages),
    "deployment": (("serverless", "container", "vm"), _deployments),
}
"""What a cold start may depend on: the levels taken by default, and what makes their deployments."""
