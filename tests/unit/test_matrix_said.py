"""The isolation matrix, image builds and boots as sentences, figures and a page: made-up samples, real code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench import charts, findings, matrix_job
from workbench.deployments import sandboxes
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.experiments.effects import Effect
from workbench.experiments.isolation_matrix import _Column
from workbench.experiments.pressures import PRESSURES
from workbench.experiments.probes import Probe
from workbench.findings import matrix, steps
from workbench.records import SCHEMA, Measurement, Provenance, Run
from workbench.report.matrix import page
from workbench.samples import sample

HURT = "<script>hurt</script>"


def column(name: str, own_kernel: bool, during_ms: float, after_ms: float = 1.0) -> Measurement:
    """TEST DATA: a column that nobody measured."""
    made = _Column(name, type("Deployment", (), {"sandbox": name})())
    made.probes = [
        Probe("processes", "Are processes hidden?", True, "sees one"),
        Probe("kernel", "Does it run on a kernel of its own?", own_kernel, HURT),
        Probe("files", "Are files closed?", None, "no /tmp"),
    ]
    spread = [0.9, 1.0, 1.1] * 8
    made.effects = [
        Effect(
            pressure,
            {
                "before": spread,
                "during": [ms * during_ms for ms in spread],
                "after": [ms * after_ms for ms in spread],
            },
            during_s=[[1.0, 2.0]],
            pressed=["pressed"],
        )
        for pressure in PRESSURES[:2]
    ]
    return made.measurement(True)


MISSING = _Column("glass", CapabilityMissing("No glass here", "Buy some")).measurement(True)
RUN = Run(
    {"name": "made up"},
    {"cpu": "Test CPU", "cores": 2, "memory_mb": 2048},
    (column("wood", False, 1.0), column("stone", True, 3.0, after_ms=2.0), MISSING),
    created="2026-08-01T10:00:00+00:00",
)


def test_the_matrix_says_what_held_and_whose_kernel_it_is() -> None:
    found = findings.isolation_matrix(RUN)
    assert found.title == "Isolation probes that held: wood 1 of 2 and stone 2 of 2"
    assert "A kernel of its own has stone; the others share this machine's." in found.reading
    assert "wood let through: kernel." in found.reading
    assert found.notes == ("glass is not here: No glass here. Buy some",)
    assert "No isolation probe" in findings.isolation_matrix(Run({}, {})).title


def test_only_what_is_beyond_the_noise_is_called_an_effect() -> None:
    found = findings.pressure_effects(RUN)
    assert found.title == "A neighbour's pressure hurts stone (memory bomb and fork bomb)"
    said = " ".join(found.reading)
    assert "Nothing beyond the noise in wood." in said
    assert "memory bomb 3.0×" in said
    assert "Still slower afterwards: memory bomb and fork bomb." in said
    calm = replace(RUN, measurements=RUN.measurements[:1])
    assert findings.pressure_effects(calm).title.startswith("No pressure slows a victim")


def test_the_matrix_has_a_word_in_every_cell() -> None:
    figure = charts.isolation_matrix(RUN)
    heat = next(t for t in figure.data if t.type == "heatmap")
    words = [word.strip() for t in figure.data if t.type == "scatter" for word in t.text]
    assert len(words) == len(heat.z) * len(heat.z[0]) == 5 * 3
    assert {"held", "broken", "not testable", "not here", "broken, 3.0×"} <= set(words)
    symbols = {t.marker.symbol for t in figure.data if t.type == "scatter"}
    assert len(symbols) == 3
    hovers = [text for t in figure.data if t.type == "scatter" for text in t.hovertext]
    assert any("Buy some" in text for text in hovers)
    assert not any("<script" in text for text in hovers)


def test_the_pressures_are_drawn_by_window_and_column() -> None:
    figure = charts.pressures(RUN)
    assert [t.name for t in figure.data] == ["before", "during", "after"] * 2
    assert len({t.marker.symbol for t in figure.data}) == 3
    assert list(figure.data[4].x) == [3.0, 3.0]  # stone, during


def test_nothing_measured_is_drawn_as_nothing() -> None:
    for draw in (charts.isolation_matrix, charts.pressures, charts.image_build):
        assert "Nothing to draw." in str(draw(Run({}, {})).layout.annotations)


def test_the_page_is_whole_and_escapes_what_is_foreign(tmp_path: Path) -> None:
    written = RUN.save(tmp_path / "matrix.json")
    assert json.loads(written.read_text())["schema"] == SCHEMA
    text = page(Run.load(written))
    assert "No glass here" in text
    assert "wood" in text
    assert "&lt;script&gt;hurt" in text
    assert HURT not in text.replace("\\u003c", "<").split("<h2>Every cell in words")[1]


def test_a_partial_column_is_drawn_and_said() -> None:
    cut = replace(RUN.measurements[0], complete=False, detail={**RUN.measurements[0].detail, "pressures": []})
    run = replace(RUN, measurements=(cut,))
    assert "interrupted" in findings.isolation_matrix(run).notes[0]
    assert charts.isolation_matrix(run).data
    assert matrix.pressures(cut) == ()


def test_the_table_names_every_column() -> None:
    shown = matrix_job.table(RUN.measurements)
    assert [str(c.header) for c in shown.columns] == ["", "wood", "stone", "glass"]
    assert list(shown.columns[3].cells) == ["not here"] * 5


def test_a_sandbox_that_is_none_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"no sandbox 'paper'.*process"):
        matrix_job.run(sample("pricing"), sandboxes="process,paper", out=tmp_path, quick=True)
    assert sandboxes.pattern_of("process") == "container"
    with pytest.raises(DeploymentError, match="paper"):
        sandboxes.pattern_of("paper")


def builds(**seconds: list[float]) -> Measurement:
    return Measurement("image_build", "container", "docker", "s", (1.0,), Provenance("measured", "x"), detail=seconds)


def test_a_rebuild_is_called_faster_only_beyond_the_noise() -> None:
    first = [10.0, 10.2, 9.8, 10.1, 9.9, 10.0]
    clear = findings.image_build(builds(first_s=first, code_s=[1.0, 1.1, 0.9, 1.0, 1.0, 1.1]))
    assert "first build 10.0" in clear.title
    assert any("After a code change, a build is 10× " in s or "9.9× " in s for s in clear.reading)
    few = findings.image_build(builds(first_s=first[:2], code_s=[1.0, 1.1]))
    assert "no faster than the first beyond the noise" in few.reading[0]
    assert "Too few builds" in few.notes[0]
    bars: Any = charts.image_build(builds(first_s=first, unchanged_s=[0.2, 0.2])).data[0]
    assert list(bars.x) == [10.0, 0.2]


def test_a_boot_is_stacked_step_by_step() -> None:
    boots = {"TCG": [{"VMM": 100.0, "kernel": 900.0}, {"VMM": 200.0, "kernel": 700.0}], "KVM": []}
    assert steps.medians(boots["TCG"]) == {"VMM": 150.0, "kernel": 800.0}
    figure = charts.boot_phases(boots, "measured: test data")
    assert [t.name for t in figure.data] == ["VMM", "kernel"]
    assert [list(t.x) for t in figure.data] == [[150.0], [800.0]]
    assert len({t.marker.pattern.shape for t in figure.data}) == 2
    assert "kernel for TCG" in findings.boot_phases(boots, "measured: test data").title
    assert "Nothing to draw." in str(charts.boot_phases({}, "none").layout.annotations)
