"""Lab 01 in a real browser, as a learner goes through it; how an exercise works there is seen in lab 00."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {
    "lab01.copy": "the same",
    "lab01.rebuild": "the code",
    "lab01.waiting": "container and vm",
    "lab01.boot": "kernel",
    "lab01.quickest": "serverless",
    "lab01.update": "a few",
    "lab01.broken": "errors",
    "lab01.nasty": "no",
    "lab01.killed": "a few",
}


def test_a_learner_deploys_three_ways_and_rolls_out_under_load(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/01_package_and_deploy.ipynb")

    # Predict first: a click each, before anything was measured.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("predictions made", timeout=2 * RUN_MS)
    picture(page, "lab_01_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    # Both versions answered, each in a colour of its own, and the events tell of the roll-back.
    update = page.locator(".jp-CodeCell").filter(has_text="wb.charts.calls(callers.calls)")
    expect(update).to_have_count(3)
    for figure in ("wb.charts.image_build(built)", "wb.charts.boot_phases("):
        expect(cell(page, figure).locator(".js-plotly-plot")).to_be_visible()
    for figure in update.all():
        expect(figure.locator(".js-plotly-plot")).to_be_visible()
    for total in ("total 8.64", "total 7.56"):
        expect(update.first.locator(".legendtext", has_text=total)).to_be_visible()
    expect(cell(page, "labs.story(rolled_back)")).to_contain_text("base46")

    # What was expected is held against what was seen.
    expect(cell(page, 'labs.score("lab01.waiting"')).to_contain_text("Right")
    expect(cell(page, 'labs.score("lab01.update"')).to_contain_text("Not this time")
    expect(cell(page, 'labs.score("lab01.rebuild"')).to_contain_text("a dependency")
    expect(cell(page, 'labs.score("lab01.nasty"')).to_contain_text("Right")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []
    kept = json.loads((lab.home / "data" / "workbench" / "progress" / "predictions.json").read_text())
    assert {key: kept[key][-1]["expected"] for key in KEPT} == KEPT
    assert kept["lab01.update"][-1]["measured"] == "none"
