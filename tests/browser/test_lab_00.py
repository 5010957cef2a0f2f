"""Lab 00 in a real browser, as a learner goes through it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]


def test_a_learner_predicts_measures_and_sees_that_nothing_is_left(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/00_start_here.ipynb")

    # A prediction is a click, and it is kept at once.
    run(page, "import workbench as wb")
    choice = run(page, "lab00.quickest")
    choice.get_by_role("button", name="container").click()
    expect(choice.locator(".workbench-kept")).to_contain_text("Kept: container")
    slider = run(page, "lab00.cold_ms")
    slider.get_by_role("button", name="Keep my prediction").click()
    expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 100 ms")
    picture(page, "lab_00_predicted")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("2 of 3 predictions made", timeout=RUN_MS)
    picture(page, "lab_00_all")

    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)
    live = cell(page, "labs.live()")
    expect(live.locator(".js-plotly-plot")).to_be_visible()
    expect(live.locator(".scatterlayer .trace")).to_have_count(3)
    expect(live.locator(".scatterlayer .trace .point").nth(29)).to_be_attached()
    expect(cell(page, "wb.charts.cold_start(cold)").locator(".js-plotly-plot")).to_be_visible()

    # What was expected is held against what was measured.
    scored = cell(page, 'labs.score("lab00.cold_ms"')
    expect(scored).to_contain_text("you expected")
    expect(scored).to_contain_text("100 ms")
    expect(cell(page, 'labs.score("lab00.quickest"')).to_contain_text("container")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []

    kept = json.loads((lab.home / "data" / "workbench" / "progress" / "predictions.json").read_text())
    assert kept["lab00.quickest"][-1]["expected"] == "container"
    assert kept["lab00.cold_ms"][-1]["verdict"]


def test_the_exercise_gives_hints_one_by_one_and_checks_what_is_written(page: Page, lab: jupyter.Lab) -> None:
    open_notebook(page, lab, "exercises/00_stateless.ipynb")
    run_all(page)
    check = cell(page, "exercise.check()")
    expect(check).to_contain_text("1 of 5 checks pass", timeout=RUN_MS)
    hints = cell(page, "exercise.show_hints()")
    hints.get_by_role("button", name="Show hint 1 of 3").click()
    expect(hints).to_contain_text("Hint 1 of 3")
    expect(hints.get_by_role("button", name="Show hint 2 of 3")).to_be_visible()
    expect(cell(page, "exercise.solution()")).to_contain_text("opens when the check has passed")
    picture(page, "exercise_00_untouched")

    handler = cell(page, "%%handler stateless")
    handler.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    solution = json.loads((jupyter.PROJECT / "exercises/solutions/00_stateless.ipynb").read_text(encoding="utf-8"))
    page.keyboard.insert_text(
        next("".join(c["source"]) for c in solution["cells"] if "".join(c["source"]).startswith("%%handler"))
    )
    run_all(page)
    expect(check).to_contain_text("all 5 checks pass", timeout=RUN_MS)
    expect(cell(page, "exercise.solution()")).to_contain_text("One way to solve it")
    picture(page, "exercise_00_passed")
