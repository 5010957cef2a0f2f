"""Lab 04 in a real browser, as a learner goes through it; how an exercise works there is seen in lab 00."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import RUN_MS, cell, open_notebook, picture, run, run_all
from tests.needs import needs
from workbench.labs import box

pytestmark = [needs("chromium"), pytest.mark.timeout(500)]

KEPT = {
    "lab04.process": "none",
    "lab04.box": "none",
    "lab04.kernel": "process, namespaces, docker",
    "lab04.hog": "2 to 5 times",
    "lab04.hog_boxed": "within the noise",
    "lab04.limits": "all three",
}


def test_a_learner_looks_around_and_sees_which_walls_stand(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/04_isolation.ipynb")

    # Predict first: a click each, before anything was measured.
    run(page, "import workbench as wb")
    for key, choice in KEPT.items():
        question = run(page, f'"{key}"')
        question.get_by_role("button", name=choice, exact=True).click()
        expect(question.locator(".workbench-kept")).to_contain_text(f"Kept: {choice}")
    slider = run(page, "lab04.boot_ms")
    slider.get_by_role("button", name="Keep my prediction").click()
    expect(slider.locator(".workbench-kept")).to_contain_text("Kept: 1.0 s")

    run_all(page)
    last = cell(page, "labs.scoreboard")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("7 of 7 predictions made", timeout=RUN_MS)
    picture(page, "lab_04_all")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)

    for figure in (
        "wb.charts.isolation_matrix(walls)",
        "wb.charts.isolation_matrix(elsewhere)",
        "wb.charts.pressures(pressed)",
        "wb.charts.pressures(elsewhere)",
        "wb.charts.interference(elsewhere)",
        "wb.charts.walls(",
    ):
        expect(cell(page, figure).locator(".js-plotly-plot")).to_be_visible()
    expect(cell(page, "wb.charts.isolation_matrix(elsewhere)")).to_contain_text("recorded, not measured here")

    # What was expected is held against what was measured, and what was recorded is called that.
    expect(cell(page, 'labs.score("lab04.process"')).to_contain_text("Not this time")
    expect(cell(page, 'labs.score("lab04.kernel"')).to_contain_text("recorded")
    expect(cell(page, 'labs.score("lab04.boot_ms"')).to_contain_text("recorded")
    expect(cell(page, 'labs.score("lab04.box"')).to_contain_text("Right" if box() != "process" else "Not measured")
    expect(cell(page, "labs.limits(walls)")).to_contain_text("threads")
    expect(cell(page, "labs.proof(before, during)")).to_contain_text("Nothing is left")
    assert errors == []
