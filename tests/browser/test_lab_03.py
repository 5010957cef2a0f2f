"""Lab 03 in a real browser, as a learner goes through it; how an exercise works there is seen in lab 00."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {
    "lab03.quickest": "vm",
    "lab03.over": "serverless",
    "lab03.cliff": "up to 2 times",
    "lab03.works": "more than 5 times",
    "lab03.waits": "more than 5 times",
    "lab03.zero": "serverless",
}


def test_a_learner_sends_a_burst_and_sees_who_brings_instances(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/03_scaling.ipynb")

    # Predict first: a click each, before anything was measured.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")
    slider = run(page, "lab03.second_ms")
    slider.get_by_role("button", name="Keep my prediction").click()
    expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 1.0 s")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("7 of 7 predictions made", timeout=RUN_MS)
    picture(page, "lab_03_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    for figure in (
        "wb.charts.over_time(measured)",
        "wb.charts.over_time(elsewhere)",
        "wb.charts.over_time([measured[-1]",
        "wb.charts.sustainable_rate(rates)",
        "wb.charts.sustainable_rate(elsewhere)",
        "wb.charts.concurrency(batches)",
    ):
        expect(cell(page, figure).locator(".js-plotly-plot")).to_be_visible()
    expect(cell(page, "wb.charts.over_time(elsewhere)")).to_contain_text("recorded, not measured here")

    # What was expected is held against what was measured.
    expect(cell(page, 'labs.score("lab03.works"')).to_contain_text("Not this time")
    expect(cell(page, 'labs.score("lab03.zero"')).to_contain_text("Not this time")
    expect(cell(page, "labs.left(quiet)")).to_contain_text("idle expiry")
    expect(cell(page, "labs.elastic(")).to_contain_text("autoscaled")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []
