"""Lab 07 in a real browser: the cells about a consumer and about a counter, as a learner runs them.

The lab as a whole runs in tests/notebooks; its exercise is checked in tests/functional.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import jupyter
from tests.browser.learner import open_notebook, picture, run
from tests.needs import needs

pytestmark = [needs("chromium", "rabbitmq"), pytest.mark.timeout(300)]


def test_a_learner_sees_a_listener_freeze_and_a_counter_forget(page: Page, lab: jupyter.Lab) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, lab, "notebooks/07_where_it_stops.ipynb")
    run(page, "import workbench as wb")

    question = run(page, '"lab07.background"')
    question.get_by_role("button", name="nearly all").click()
    expect(question.locator(".workbench-kept")).to_contain_text("Kept: nearly all")
    run(page, "broker = labs.broker()")
    run(page, "background = labs.consumed(broker, ways)")
    scored = run(page, 'labs.score("lab07.background"')
    expect(scored).to_contain_text("Not this time")
    expect(scored).to_contain_text("measured")
    drawn = run(page, "wb.charts.consumer(background)")
    expect(drawn.locator(".js-plotly-plot")).to_contain_text("nobody listens")
    expect(run(page, "labs.told(background)")).to_contain_text("missed heartbeats from client")

    run(page, "counted = labs.measure(wb.experiments.state")
    expect(run(page, "wb.charts.state(counted)").locator(".js-plotly-plot")).to_contain_text("after a rest")
    expect(run(page, 'labs.score("lab07.forgot"')).to_contain_text("serverless")
    picture(page, "lab_07_parts")
    expect(page.locator(".jp-OutputArea-output", has_text="Traceback")).to_have_count(0)
    assert errors == []
