"""Lab 03b in a real browser, as a learner goes through it; how an exercise works there is seen in lab 00."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {
    "lab03b.near": "most of them",
    "lab03b.first": "about the same",
    "lab03b.then": "slower",
    "lab03b.turns": "inside the noise",
}


def test_a_learner_is_lied_to_four_times(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/03b_how_measurements_lie.ipynb")

    # Predict first: a click each, before anything was measured.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")
    for key in ("lab03b.closed_ms", "lab03b.open_ms"):
        slider = run(page, key)
        slider.get_by_role("button", name="Keep my prediction").click()
        expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 32 ms")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("6 of 6 predictions made", timeout=RUN_MS)
    picture(page, "lab_03b_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    for figure in ("wb.charts.tails(", "wb.charts.histogram(times)", "wb.charts.sequence("):
        expect(cell(page, figure).locator(".js-plotly-plot")).to_be_visible()
    expect(cell(page, "wb.charts.tails(").locator(".js-plotly-plot")).to_contain_text("Arithmetic (modelled)")
    expect(cell(page, "live.watch(function").locator(".scatterlayer .trace")).to_have_count(1)

    # What was expected is held against what was measured: a second's stall is no 32 ms to those who were due in it.
    expect(cell(page, 'labs.score("lab03b.open_ms"')).to_contain_text("off by a factor")
    expect(cell(page, 'labs.score("lab03b.near"')).to_contain_text("Not this time")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []

    kept = json.loads((lab.home / "data" / "workbench" / "progress" / "predictions.json").read_text())
    assert kept["lab03b.open_ms"][-1]["measured"] > kept["lab03b.closed_ms"][-1]["measured"]
