"""The main job as the command line runs it: deploy three ways, measure, print the nine forces, write the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from workbench import capabilities, comparison, findings, report, tradeoff
from workbench.cleaning import clean
from workbench.deployments import PATTERNS, deploy
from workbench.deployments.replica import INVOKE_PATH
from workbench.errors import DeploymentError, HandlerError, PackageError
from workbench.experiments.remaining import Remaining
from workbench.faas.functions.java_code import runnable
from workbench.findings.drifting import drifted
from workbench.image import image_context
from workbench.package import package, unpacked
from workbench.records import Run
from workbench.samples import PAYLOADS, SAMPLES, sample
from workbench.service import Resources, Service

RUN_FILE = "run.json"


def find_service(name: str, handler: str, memory_mb: int, timeout_s: int, health_path: str = "") -> Service:
    """The sample of that name, or the service in that directory; raises PackageError with what to correct."""
    resources = Resources(memory_mb, timeout_s)
    if name in SAMPLES and not Path(name).is_dir():
        return replace(sample(name, resources), health_path=health_path)
    if not Path(name).exists():
        raise PackageError(f"There is neither a directory nor a sample {name!r}. Samples: {', '.join(SAMPLES)}.")
    return Service.from_dir(name, handler, resources=resources, health_path=health_path)


def read_payload(text: str) -> Any:
    """The payload from JSON text, or from the file named after an @; None when there is no text."""
    if not text:
        return None
    try:
        source = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        return json.loads(source)
    except OSError as error:
        raise PackageError(f"The payload's file cannot be read: {error}.") from error
    except ValueError as error:
        raise PackageError(
            f"The payload is not JSON ({error}). Quote it for the shell: --payload '{{\"n\": 1}}'."
        ) from error


def write_image(service: Service, base: str, out: Path | None) -> str:
    """Write the service's image context into `out`; what was written and what to do next, for people."""
    context = image_context(service, base=base, code=runnable(service))
    place = out or Path(f"image-{service.name}")
    context.write(place)
    had = _base_in_engine(context.base)
    sizes = {folder: f"{folder}/ ({len(files)} files)" for folder, files in context.folders.items()}
    tag = f"my-{service.name.lower()}"
    return "\n".join(
        [
            f"{place}: Dockerfile{' (the service brings it)' if context.brought else ''}, {', '.join(sizes.values())}",
            "" if had else f"The base {context.base} is in no engine here yet; a first container deployment makes it.",
            "Read it, edit it, then:",
            f"  docker build -t {tag} {place}",
            f"  docker run --rm -p 127.0.0.1:8080:8080 {tag}",
            f"  curl http://127.0.0.1:8080{INVOKE_PATH} -d '{{}}'",
            f"To have the container deployment use your Dockerfile: cp {place}/Dockerfile {service.source}/",
        ]
    ).replace("\n\n", "\n")


def _base_in_engine(base: str) -> bool:
    """Have the engine, if there is one, hold the base that is ours; whether nothing is left to be said about it."""
    if not capabilities.docker():
        return False
    from workbench.isolation.engine import docker_image  # docker-py is imported when it is needed

    docker_image.ensure(base)
    return True


def run(service: Service, *, deployments: str, payload: Any, out: Path, quick: bool) -> None:
    """Compare and report into `out`; on Ctrl-C what was measured is in run.json, and nothing is left running.

    `deployments`: names with commas between, each perhaps with a sandbox of its own: `serverless,container:namespaces`.
    """
    sandboxes = _chosen(deployments)
    check_writable(out)
    console = Console()
    clean()  # what a session that was killed may have left: before measuring, so that it disturbs nothing
    with Shown(console) as shown:
        try:
            measured = comparison.compare(
                service,
                tuple(sandboxes),
                quick=quick,
                out=out,
                progress=shown.update,
                deploy=lambda s, pattern: deploy(s, pattern, sandbox=sandboxes[pattern]),
                payload=_payload(service, payload),
            )
        except KeyboardInterrupt:
            shown.stop()
            console.print(_kept(out))
            raise
        except HandlerError as error:
            raise _in_their_words(error, service) from error
        shown.update("report", 0, 1)
        pages = report.write(out / RUN_FILE, out)
        shown.update("report", 1, 1)
    _print(console, measured)
    for page in (out / RUN_FILE, *pages):
        console.print(f"  {out / page.name}", highlight=False)


def _in_their_words(error: HandlerError, service: Service) -> HandlerError:
    """The error with the service's own paths in place of those inside a sandbox, and a remedy for a missing module."""
    trace = list(error.stack_trace)
    for inside in (str(unpacked(package(service))), "/var/task"):
        trace = [line.replace(f'"{inside}/', f'"{service.source}/') for line in trace]
    message = error.error_message
    if missing := re.search(r"No module named '([\w.]+)'", message):
        message += (
            f". If {missing[1]} is a package, put it beside the handler: pip install --target {service.source} NAME"
        )
    return HandlerError(message, error.error_type, trace)


def _chosen(deployments: str) -> dict[str, str]:
    """Sandbox by pattern, in the order named; raises DeploymentError with what to correct."""
    chosen: dict[str, str] = {}
    for name in filter(None, (part.strip() for part in deployments.split(","))):
        pattern, _, sandbox = name.partition(":")
        if pattern not in PATTERNS:
            raise DeploymentError(f"There is no deployment {pattern!r}. Choose from: {', '.join(PATTERNS)}.")
        if pattern in chosen:
            raise DeploymentError(f"{pattern} is named twice. Name each deployment once, with commas between.")
        chosen[pattern] = sandbox or "auto"
    if not chosen:
        raise DeploymentError(f"Name the deployments to compare, with commas between, from: {', '.join(PATTERNS)}.")
    return chosen


def check_writable(out: Path) -> None:
    """Make the directory `out`; raises DeploymentError where nothing can be written to it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DeploymentError(
            f"Cannot write to {out} ({error.strerror}). Name another directory with --out."
        ) from error


def _payload(service: Service, given: Any) -> Any:
    if given is not None or service.name not in SAMPLES or service.source.parent.name != "samples":
        return given
    return PAYLOADS[service.name]


def _kept(out: Path) -> str:
    path = out / RUN_FILE
    if not path.exists():
        return "Interrupted before the first measurement; nothing is left running."
    return f"Interrupted. What was measured is in {path}; nothing is left running."


def _print(console: Console, measured: Run) -> None:
    console.print()
    console.print(tradeoff.render(tradeoff.table(measured)))
    if findings.emulated(measured):
        console.print(findings.emulated(measured))
    for sentence in drifted(tuple(measured.of("cold_start").values())):
        console.print(f"Cold starts: {sentence[:1].lower()}{sentence[1:]}", highlight=False, markup=False)
    console.print()


class _LeftColumn(ProgressColumn):
    """What is left of a stage, by its steps so far; counts down between them."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["remaining"].said(), style="progress.remaining")


class Shown:
    """The stages of the job as a progress display: live on a terminal, a line per stage elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _LeftColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}
        self._remaining: dict[str, Remaining] = {}

    def __enter__(self) -> Shown:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the display as it stands."""
        self._bar.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        """Show that `stage` has come to `done` of `total` steps."""
        if stage not in self._tasks:
            self._remaining[stage] = Remaining()
            self._tasks[stage] = self._bar.add_task(stage, total=total, remaining=self._remaining[stage])
            if not self._console.is_terminal:
                self._console.print(f"{stage} ...", highlight=False)
        self._remaining[stage].update(done, total)
        self._bar.update(self._tasks[stage], completed=done, total=total)
