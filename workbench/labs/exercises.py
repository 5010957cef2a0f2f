"""An exercise: what the learner writes, how it is checked, its hints, and the solution once it has passed."""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.labs.checks import Check, Deployer, report, run
from workbench.labs.hints import HintBox, store
from workbench.labs.panel import Panel, say
from workbench.labs.progress import now, progress_dir
from workbench.service import Resources, Service

_GIVEN = Path(__file__).with_name("given")


@dataclass(frozen=True)
class Exercise:
    """One exercise by its `name`; the learner's handler is kept as app.py in a directory of its own."""

    name: str
    title: str
    notebook: str
    checked_handler: str
    checks: tuple[Check, ...]
    hints: tuple[str, str, str]

    @property
    def directory(self) -> Path:
        """Where the learner's handler is kept, with the files given beside it."""
        return progress_dir().parent / "exercises" / self.name

    def write(self, source: str) -> Panel:
        """Keep `source` as the handler; one that does not compile is kept too, and the card says where it is wrong."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for given in sorted((_GIVEN / self.name).iterdir()):
            if given.name not in ("__init__.py", "__pycache__"):
                shutil.copyfile(given, self.directory / given.name)
        (self.directory / "app.py").write_text(source, encoding="utf-8")
        try:
            compile(source, "app.py", "exec")
        except (SyntaxError, ValueError) as error:
            where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            return say("app.py is kept, but Python cannot read it", f"{where}{error}", kind="bad")
        return say("app.py is kept", "Run the check to deploy it.")

    @property
    def service(self) -> Service:
        """The learner's own service, to deploy as they like; raises PackageError before the handler was written."""
        return Service.from_dir(self.directory, "app.handler", name=self.name, resources=Resources(memory_mb=512))

    def check(self, deploy: Deployer | None = None) -> Panel:
        """Deploy the handler, run every check and say what holds; never raises for what the learner wrote."""
        try:
            service = Service.from_dir(
                self.directory, self.checked_handler, name=self.name, resources=Resources(memory_mb=512)
            )
        except WorkbenchError:
            return say(f"{self.name}: nothing to check yet", "Run the cell that holds your handler first.", kind="note")
        if not (self.directory / "app.py").is_file():
            return say(f"{self.name}: nothing to check yet", "Run the cell that holds your handler first.", kind="note")
        outcomes = run(self.checks, service, deploy or _deploy)
        return report(self.name, outcomes, self._record(all(o.passed for o in outcomes)))

    def show_hints(self) -> HintBox:
        """The hints, one by one, each only when asked for."""
        return HintBox(self.name, self.hints)

    @property
    def passed(self) -> bool:
        """Whether it has ever passed; survives a restart."""
        return bool((store().read().get(self.name) or {}).get("passed_at"))

    def solution(self, solutions: Path | None = None) -> Panel:
        """One way to solve it, once it has passed; says so where this copy came without solutions."""
        if not self.passed:
            return say("The solution opens when the check has passed", "Until then there are hints.", kind="note")
        for directory in [solutions] if solutions else [Path("solutions"), Path("exercises/solutions")]:
            if (directory / self.notebook).is_file():
                source = _handler_cell(directory / self.notebook)
                html = f'<pre style="margin:8px 0 0;font-size:13px;background:transparent">{escape(source)}</pre>'
                return Panel("One way to solve it", html, source, "good")
        return say("It passed", "This copy came without solutions. Compare yours with a neighbour's.", kind="good")

    def _record(self, passed: bool) -> str:
        kept = store()
        entry = kept.update(
            self.name,
            lambda old: {
                **(old or {}),
                "checks": (old or {}).get("checks", 0) + 1,
                **({"passed_at": (old or {}).get("passed_at") or now()} if passed else {}),
            },
        )
        if passed:
            used = entry.get("hints", 0)
            return " ".join(filter(None, [f"Passed with {used} of {len(self.hints)} hints.", kept.notice]))
        return " ".join(filter(None, ["Change your handler, run its cell, and check again.", kept.notice]))


def _handler_cell(notebook: Path) -> str:
    """The handler's cell of a solution, without its first line (the magic) and the generator's marks."""
    from workbench.labs.generate import visible

    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("%%handler"):
            return visible(source).partition("\n")[2]
    return ""


def _deploy(service: Service, pattern: str) -> Deployment:
    # Imported when a check runs, so that opening a lab does not load what deploys.
    from workbench.deployments import deploy

    return deploy(service, pattern)


def find(name: str) -> Exercise:
    """The exercise by its name; raises DeploymentError when there is none so named."""
    try:
        exercise: Exercise = getattr(importlib.import_module(f"workbench.labs.{name}"), name.upper())
    except (ImportError, AttributeError) as error:
        raise DeploymentError(
            f"There is no exercise {name!r}. Open the notebooks in exercises/ for those there are."
        ) from error
    return exercise
