"""Lab 02 in a real browser, as a learner goes through it; how an exercise works there is seen in lab 00."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs
from workbench.isolation import best, techniques

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {
    "lab02.heaviest": "sandbox",
    "lab02.zygote": "runtime init",
    "lab02.snapshot": "function init",
    "lab02.provisioned": "none",
    "lab02.factor": "up to 2 times",
    "lab02.waits": "more than 20",
    "lab02.memory": "spawn",
    "lab02.unique": "neither",
    "lab02.bill": "nothing",
}
FORKED = "snapshot" in techniques(best())


def test_a_learner_takes_a_cold_start_apart_and_beats_it(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/02_cold_start.ipynb")

    # Predict first: a click each, before anything was measured.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")
    slider = run(page, "lab02.twice_ms")
    slider.get_by_role("button", name="Keep my prediction").click()
    expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 100 ms")
    picture(page, "lab_02_predicted")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("10 of 10 predictions made", timeout=RUN_MS)
    picture(page, "lab_02_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    # Every technique is a trace of the live figure, and a bar of the one that is read.
    live = cell(page, "for t in (")
    expect(live.locator(".scatterlayer .trace")).to_have_count(3 if FORKED else 1)
    for figure in (
        "wb.charts.cold_start(spawned)",
        "wb.charts.cold_start(work)",
        "wb.charts.cold_start(cold)",
        "wb.charts.cold_start_by(by)",
        "wb.charts.keep_alive(probed)",
    ):
        expect(cell(page, figure).locator(".js-plotly-plot")).to_be_visible()

    # What was expected is held against what was measured, and what was modelled is called that.
    expect(cell(page, 'labs.score("lab02.provisioned"')).to_contain_text("Not this time")
    expect(cell(page, 'labs.score("lab02.provisioned"')).to_contain_text("one")
    expect(cell(page, 'labs.score("lab02.twice_ms"')).to_contain_text("you expected")
    expect(cell(page, 'labs.score("lab02.waits"')).to_contain_text("Not this time")
    expect(cell(page, "labs.unveiled(probed, function)")).to_contain_text("found from outside")
    expect(cell(page, 'labs.score("lab02.bill"')).to_contain_text("modelled")
    if FORKED:
        expect(cell(page, 'labs.score("lab02.snapshot"')).to_contain_text("Right")
        expect(cell(page, 'labs.score("lab02.unique"')).to_contain_text("identity")
        expect(cell(page, "labs.kept(held)")).to_contain_text("template of the snapshot")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []

    kept = json.loads((lab.home / "data" / "workbench" / "progress" / "predictions.json").read_text())
    assert {key: kept[key][-1]["expected"] for key in KEPT} == KEPT
    assert kept["lab02.provisioned"][-1]["measured"] == "one"
