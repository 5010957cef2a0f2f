"""Lab 00 in a real browser, as a learner goes through it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests import needs as parts
from tests.browser import jupyter
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(300)]

expect.set_options(timeout=60_000)  # an upper bound for a busy machine; what is there sooner is seen sooner

PICTURES = jupyter.PROJECT / "build" / "screenshots"
RUN_MS = 150_000
WIDTH, HEIGHT, PICTURE_HEIGHT = 1280, 9000, 1500


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[jupyter.Lab]:
    with jupyter.running(tmp_path) as lab:
        yield lab


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=parts.browser_path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        # Tall, so that the whole lab is on the page: JupyterLab draws only what is in view.
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def _open(page: Page, lab: jupyter.Lab, notebook: str) -> None:
    page.goto(lab.url(notebook))
    expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)


def _cell(page: Page, text: str) -> Locator:
    """The code cell whose source holds `text`."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea-editor", has_text=text)).first


def _run_all(page: Page) -> None:
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()


def _run(page: Page, text: str) -> Locator:
    cell = _cell(page, text)
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=RUN_MS)
    return cell


def _picture(page: Page, name: str) -> None:
    """The notebook as pictures of a size that a person can look at, from its first cell to its last."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob(f"{name}-*.png"):
        old.unlink()
    last = page.locator(".jp-Notebook-cell").last.bounding_box()
    assert last is not None
    end = min(int(last["y"] + last["height"]) + 20, HEIGHT)
    for number, top in enumerate(range(0, end, PICTURE_HEIGHT), 1):
        clip = {"x": 0, "y": top, "width": WIDTH, "height": min(PICTURE_HEIGHT, end - top)}
        page.screenshot(path=PICTURES / f"{name}-{number}.png", clip=clip)  # type: ignore[arg-type]


def test_a_learner_predicts_measures_and_sees_that_nothing_is_left(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    _open(page, lab, "notebooks/00_start_here.ipynb")

    # A prediction is a click, and it is kept at once.
    _run(page, "import workbench as wb")
    choice = _run(page, "lab00.quickest")
    choice.get_by_role("button", name="container").click()
    expect(choice.locator(".workbench-kept")).to_contain_text("Kept: container")
    slider = _run(page, "lab00.cold_ms")
    slider.get_by_role("button", name="Keep my prediction").click()
    expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 100 ms")
    _picture(page, "lab_00_predicted")

    _run_all(page)
    last = _cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("2 of 3 predictions made", timeout=RUN_MS)
    _picture(page, "lab_00_all")

    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)
    live = _cell(page, "labs.live()")
    expect(live.locator(".js-plotly-plot")).to_be_visible()
    expect(live.locator(".scatterlayer .trace")).to_have_count(3)
    expect(live.locator(".scatterlayer .trace .point").nth(29)).to_be_attached()
    expect(_cell(page, "wb.charts.cold_start(cold)").locator(".js-plotly-plot")).to_be_visible()

    # What was expected is held against what was measured.
    scored = _cell(page, 'labs.score("lab00.cold_ms"')
    expect(scored).to_contain_text("you expected")
    expect(scored).to_contain_text("100 ms")
    expect(_cell(page, 'labs.score("lab00.quickest"')).to_contain_text("container")
    expect(_cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []

    kept = json.loads((lab.home / "data" / "workbench" / "progress" / "predictions.json").read_text())
    assert kept["lab00.quickest"][-1]["expected"] == "container"
    assert kept["lab00.cold_ms"][-1]["verdict"]


def test_the_exercise_gives_hints_one_by_one_and_checks_what_is_written(page: Page, lab: jupyter.Lab) -> None:
    _open(page, lab, "exercises/00_stateless.ipynb")
    _run_all(page)
    check = _cell(page, "exercise.check()")
    expect(check).to_contain_text("1 of 5 checks pass", timeout=RUN_MS)
    hints = _cell(page, "exercise.show_hints()")
    hints.get_by_role("button", name="Show hint 1 of 3").click()
    expect(hints).to_contain_text("Hint 1 of 3")
    expect(hints.get_by_role("button", name="Show hint 2 of 3")).to_be_visible()
    expect(_cell(page, "exercise.solution()")).to_contain_text("opens when the check has passed")
    _picture(page, "exercise_00_untouched")

    handler = _cell(page, "%%handler stateless")
    handler.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    solution = json.loads((jupyter.PROJECT / "exercises/solutions/00_stateless.ipynb").read_text(encoding="utf-8"))
    page.keyboard.insert_text(
        next("".join(c["source"]) for c in solution["cells"] if "".join(c["source"]).startswith("%%handler"))
    )
    _run_all(page)
    expect(check).to_contain_text("all 5 checks pass", timeout=RUN_MS)
    expect(_cell(page, "exercise.solution()")).to_contain_text("One way to solve it")
    _picture(page, "exercise_00_passed")
