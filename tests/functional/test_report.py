"""The report as a person gets it: executed, one offline page, seen in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.made_up_run import made_up_run
from tests.needs import needs
from workbench import report
from workbench.errors import RecordError, WorkbenchError
from workbench.records import Run

HOSTILE = "<script>alert('x')</script>"
FIGURES = 5
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run's report, of a service with a hostile name."""
    place = tmp_path_factory.mktemp("report")
    made_up_run(name=HOSTILE).save(place / "run.json")
    notebook, page = report.write(place / "run.json", place)
    assert notebook == place / "report.ipynb"
    return page


class _Loads(HTMLParser):
    """Collects what a page would load, and how many scripts and headings it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "embed", "video", "audio") and given.get("src"):
            self.loads.append(str(given["src"]))
        if tag == "link" and given.get("href"):
            self.loads.append(str(given["href"]))
        if tag == "a" and str(given.get("href", "")).startswith("#"):
            self.links.append(str(given["href"])[1:])
        if given.get("id"):
            self.ids.append(str(given["id"]))


def _read(page: Path) -> _Loads:
    parser = _Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_the_page_is_one_file_that_loads_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < 8_000_000
    assert len(re.findall(r"plotly\.js v\d", text)) == 1
    assert _read(page).loads == []
    assert "require.js" not in text
    assert "mathjax" not in text.replace("window.MathJax", "").split("</head>")[1].lower()


def test_every_link_leads_somewhere_and_every_id_is_one(page: Path) -> None:
    read = _read(page)
    assert read.links
    assert set(read.links) <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_the_page_shows_no_code(page: Path) -> None:
    body = page.read_text(encoding="utf-8").split("</head>")[1]
    assert "Run.load" not in body
    assert "tables." not in body


def test_a_hostile_name_is_text(page: Path) -> None:
    assert HOSTILE not in page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in page.read_text(encoding="utf-8")


def test_every_cell_of_the_table_leads_to_its_evidence(page: Path) -> None:
    body = page.read_text(encoding="utf-8").split("</head>")[1]
    run = json.loads((page.parent / "run.json").read_text())
    paths = [cell["evidence"] for row in run["tradeoff"].values() for cell in row.values() if cell["evidence"]]
    assert len(paths) == 27
    for path in paths:
        assert f'title="{path} in run.json"' in body
        part: Any = run
        for key in path.split("."):
            part = part[key]


def test_the_notebook_can_be_moved_with_its_run(page: Path) -> None:
    notebook = json.loads((page.parent / "report.ipynb").read_text())
    parameters = "".join("".join(c["source"]) for c in notebook["cells"] if "injected-parameters" in str(c["metadata"]))
    assert 'run_path = "run.json"' in parameters
    assert not [o for c in notebook["cells"] for o in c.get("outputs", []) if o["output_type"] == "error"]


@needs("chromium")
def test_a_browser_draws_every_figure_without_complaint(page: Path) -> None:
    with _browser() as browser:
        seen = browser.new_page(viewport={"width": 1000, "height": 1400})
        complaints: list[str] = []
        requests: list[str] = []
        seen.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        seen.on("pageerror", lambda e: complaints.append(str(e)))
        seen.on("request", lambda r: requests.append(r.url))
        seen.goto(page.as_uri())
        seen.wait_for_function(f"document.querySelectorAll('.js-plotly-plot .main-svg').length >= {FIGURES}")
        assert complaints == []
        assert requests == [page.as_uri()]
        assert seen.locator(".js-plotly-plot").count() == FIGURES
        assert seen.evaluate("document.documentElement.scrollWidth") <= 1000
        assert _clipped(seen) == []


def _clipped(seen: Any) -> list[str]:
    """Texts of figures that stick out of their figure."""
    found: list[str] = seen.evaluate(
        """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => {
            const box = plot.getBoundingClientRect();
            return [...plot.querySelectorAll('text')].filter(text => {
                const t = text.getBoundingClientRect();
                return t.width > 0 && (t.left < box.left - 1 || t.right > box.right + 1 || t.bottom > box.bottom + 1);
            }).map(text => text.textContent);
        })"""
    )
    return found


@needs("chromium")
def test_it_prints_on_few_pages_of_a4(page: Path) -> None:
    with _browser() as browser:
        seen = browser.new_page()
        seen.goto(page.as_uri())
        seen.wait_for_function(f"document.querySelectorAll('.js-plotly-plot .main-svg').length >= {FIGURES}")
        pdf = seen.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 4 <= len(sizes) <= 14
    assert all(abs(float(w) - 595) < 2 and abs(float(h) - 842) < 2 for w, h in sizes)


def _parts() -> dict[str, Run]:
    whole = made_up_run()
    cold = whole.of("cold_start")
    return {
        "nothing": Run(whole.service, whole.environment, complete=False),
        "one deployment": replace(whole, measurements=tuple(whole.of(e)["vm"] for e in ("cold_start", "scaling"))),
        "interrupted": Run(
            whole.service,
            {},
            (replace(cold["serverless"], samples=cold["serverless"].samples[:1], detail={}, complete=False),),
            complete=False,
        ),
        "all failed": Run(
            whole.service,
            whole.environment,
            tuple(replace(m, samples=(), detail={}) for m in whole.measurements),
        ),
    }


@pytest.mark.parametrize("part", sorted(_parts()))
def test_a_partial_run_has_a_report_that_says_so(part: str, tmp_path: Path) -> None:
    _parts()[part].save(tmp_path / "run.json")
    _, page = report.write(tmp_path / "run.json", tmp_path)
    assert "Read this first." in page.read_text(encoding="utf-8").split("</head>")[1]


def test_progress_is_told(tmp_path: Path) -> None:
    made_up_run(samples=3).save(tmp_path / "run.json")
    told: list[tuple[str, int, int]] = []
    report.write(tmp_path / "run.json", tmp_path / "out", progress=lambda *step: told.append(step))
    assert told == [("report", 0, 2), ("report", 1, 2), ("report", 2, 2)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.ipynb"]


def test_an_unreadable_run_is_said_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RecordError, match="schema"):
        report.write(tmp_path / "run.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failing_cell_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = json.loads(report.source().read_text())
    broken["cells"].append(
        {"cell_type": "code", "id": "x", "metadata": {}, "source": "1 / 0", "outputs": [], "execution_count": None}
    )
    (tmp_path / "broken.ipynb").write_text(json.dumps(broken))
    monkeypatch.setattr(report, "source", lambda: tmp_path / "broken.ipynb")
    made_up_run(samples=3).save(tmp_path / "run.json")
    with pytest.raises(WorkbenchError, match="ZeroDivisionError"):
        report.write(tmp_path / "run.json", tmp_path)


def test_the_report_needs_no_installed_kernel(tmp_path: Path) -> None:
    """A kernelspec named python3 that leads nowhere changes nothing: the kernel is this interpreter."""
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = ["/nowhere/python", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    made_up_run(samples=3).save(tmp_path / "run.json")
    code = f"from workbench import report; report.write({str(tmp_path / 'run.json')!r}, {str(tmp_path)!r})"
    _run(code, tmp_path, JUPYTER_PATH=str(tmp_path / "jupyter"), PYTHONPATH=str(ROOT))
    assert (tmp_path / "report.html").is_file()


def test_the_built_package_writes_reports_without_a_checkout(tmp_path: Path) -> None:
    copied, built = tmp_path / "source", tmp_path / "built"
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "workbench", copied / "workbench", symlinks=True, ignore=skip)
    shutil.copytree(ROOT / "notebooks", copied / "notebooks", ignore=skip)
    (copied / "README.md").write_text("")
    # The licence as an expression needs a newer setuptools than the one that may be here; it is not what is asked.
    project = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if not line.startswith("license")]
    (copied / "pyproject.toml").write_text("\n".join(project))
    build = f"import setuptools; setuptools.setup(script_args=['build_py', '--build-lib', {str(built)!r}])"
    _run(build, copied)
    packed = built / "workbench" / "report" / "comparison_report.ipynb"
    assert not packed.is_symlink()
    assert packed.read_bytes() == (ROOT / "notebooks" / "comparison_report.ipynb").read_bytes()
    shutil.rmtree(copied)
    made_up_run(samples=3).save(tmp_path / "run.json")
    told = _run(
        "import workbench.report as r; print(r.source()); r.write('run.json', 'out')", tmp_path, PYTHONPATH=str(built)
    )
    assert told.strip() == str(packed)
    assert (tmp_path / "out" / "report.html").is_file()


def _run(code: str, place: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class _Browser:
    """Chromium for a test, closed after it."""

    def __enter__(self) -> Any:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        path = next(
            found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
        )
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        self._browser = self._playwright.chromium.launch(executable_path=path, args=arguments)
        return self._browser

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def _browser() -> _Browser:
    return _Browser()
