"""Lab 06 in a real browser, as a learner goes through it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {"lab06.fails": "three times", "lab06.again": "only the bad one"}


def test_a_learner_follows_events_on_their_way(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/06_four_ways.ipynb")

    # Predict first: a click each, before anything has run.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("2 of 7 predictions made", timeout=RUN_MS)
    picture(page, "lab_06_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    # What was expected is held against what happened.
    expect(cell(page, 'labs.score("lab06.fails"')).to_contain_text("Right")
    expect(cell(page, 'labs.score("lab06.again"')).to_contain_text("Not this time")

    # The way of all events as a figure, of one as a table.
    flow = cell(page, 'Key="bad-cake"').locator(".js-plotly-plot")
    expect(flow).to_be_visible()
    expect(flow).to_contain_text("3 runs of the function")
    expect(flow).to_contain_text("S3 orders")
    trace = cell(page, 'sent["order-7"]')
    expect(trace.locator("tr", has_text="dead-lettered")).to_have_count(1)
    expect(trace.locator("tr", has_text="received").first).to_contain_text("9 others")
    expect(cell(page, "wb.charts.arrival(").locator(".js-plotly-plot")).to_be_visible()
    expect(cell(page, "labs.side_by_side").locator("tr", has_text="Kinesis")).to_contain_text("queue for failures")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []
