"""What a cell shows while an experiment runs, and what it has when that is interrupted; in the fake deployment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench import charts, experiments
from workbench.deployment import Deployment
from workbench.deployments import fake
from workbench.experiments import Interrupted
from workbench.labs import Bar, measure, measuring
from workbench.labs.drawing import Drawing
from workbench.load import Progress as LoadProgress
from workbench.records import Measurement
from workbench.service import Service


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return event\n")
    with fake.deploy(Service.from_dir(tmp_path)) as deployment:
        yield deployment


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_the_bar_tells_how_far_it_is_and_that_it_is_over(deployment: Deployment, displayed: list[Any]) -> None:
    (cold,) = measure(experiments.cold_start, deployment, samples=3, warmups=0, warm_per_sample=0)
    assert len(cold.samples) == 3
    (shown,) = displayed
    assert repr(shown).startswith("cold start: 3 of 3, took ")


def test_a_figure_is_drawn_of_what_there_is_and_goes_at_the_end(
    deployment: Deployment, displayed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def draw(measured: tuple[Measurement, ...]) -> Any:
        drawn.append(len(measured[0].samples))
        return charts.cold_start(measured)

    clock = iter(range(0, 1_000_000, 100))
    monkeypatch.setattr(measuring, "Drawing", lambda given: Drawing(given, lambda: next(clock)))
    measure(experiments.cold_start, deployment, samples=40, warmups=0, warm_per_sample=0, draw=draw)
    assert drawn == sorted(drawn)
    assert 1 < len(drawn) <= 8  # each drawing costs 100 on that clock, and so is followed by a pause of 1,000
    assert displayed[1].children == ()


def test_a_figure_takes_the_place_of_the_last() -> None:
    live = charts.LiveFigure()
    for ms in ([1.0, 2.0], [1.0, 2.0, 3.0]):
        live.show(charts.histogram(ms))
    assert len(live.figure.data) == 1
    assert sum(live.figure.data[0].y) == 3
    assert "of 3 requests" in live.figure.layout.title.text


def test_interrupted_it_gives_what_it_has_and_says_so(deployment: Deployment, displayed: list[Any]) -> None:
    asked: list[int] = []
    pattern = deployment.invoke_cold

    def invoke_cold(payload: Any) -> Any:
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return pattern(payload)

    deployment.invoke_cold = invoke_cold  # type: ignore[method-assign]
    (cold,) = measure(experiments.cold_start, deployment, samples=9, warmups=0, warm_per_sample=0)
    assert not cold.complete
    assert len(cold.samples) == 3
    shown, said = displayed
    assert repr(shown) == "cold start: 3 of 9, interrupted"
    assert "Kept are the samples so far (fake 3)" in said.text


def test_interrupted_before_a_sample_it_goes_on(displayed: list[Any]) -> None:
    def experiment(progress: Any) -> tuple[Measurement, ...]:
        raise Interrupted(())

    with pytest.raises(KeyboardInterrupt):
        measure(experiment)


def test_a_load_is_shown_by_its_plan_with_what_its_answers_come_to() -> None:
    shown = Bar()
    shown.load(LoadProgress(10.0, 260, 250, 1000, 40.0, 250, 0, 1.1, 12.0))
    assert repr(shown) == "load: 250 of 1,000 requests over, p99 12 ms  about 30 s left"
    shown.load(LoadProgress(40.2, 1000, 1000, 1000, 40.0, 1000, 0, 1.1, 13.0))
    assert repr(shown) == "load: 1,000 of 1,000 requests over, p99 13 ms"
    shown.load(LoadProgress(2.0, 700, 0, None, 40.0, 0, 0, None, None))
    assert repr(shown) == "load: 0 requests over  about 40 s left"
