"""Recorded arrivals: what is written is what is played, and what is no recording is refused by its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.load import from_csv
from workbench.load.plan import plan
from workbench.load.schedule import MAX_RATE_PER_S

MILLISECONDS = st.lists(st.integers(0, 300_000), min_size=1, max_size=60).map(sorted)
BEGIN = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)


def write(path: Path, lines: list[str], heading: bool = False) -> Path:
    file = path / "arrivals.csv"
    file.write_text("\n".join([*(["time"] if heading else []), *lines]) + "\n", encoding="utf-8")
    return file


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MILLISECONDS, st.booleans(), st.sampled_from(["seconds", "unix", "zoned", "naive"]), st.floats(0.5, 100))
def test_every_way_to_write_them_plays_the_same(
    tmp_path: Path, times: list[int], heading: bool, how: str, speed: float
) -> None:
    moments = [BEGIN + timedelta(milliseconds=ms) for ms in times]
    lines = {
        "seconds": [str(ms / 1000) for ms in times],
        "unix": [f"{moment.timestamp():.3f}" for moment in moments],
        "zoned": [moment.isoformat() for moment in moments],
        "naive": [moment.replace(tzinfo=None).isoformat(sep=" ") for moment in moments],
    }[how]
    found = from_csv(write(tmp_path, lines, heading), speed=speed)
    assert found.planned_s == pytest.approx([(ms - times[0]) / 1000 / speed for ms in times], abs=1e-6)
    assert found.planned_s[0] == 0
    assert list(found.planned_s) == sorted(found.planned_s)
    assert found.kind == "recorded"
    assert "arrivals.csv" in found.source


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MILLISECONDS, st.floats(0.1, 400))
def test_a_duration_cuts_the_recording_and_nothing_else(tmp_path: Path, times: list[int], duration_s: float) -> None:
    file = write(tmp_path, [str(ms / 1000) for ms in times])
    whole, part = from_csv(file), from_csv(file, duration_s=duration_s)
    assert part.planned_s == tuple(at for at in whole.planned_s if at < duration_s)
    assert part.duration_s == duration_s


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["0", "1", "soon"], r"line 3: 'soon' is no time; there must be seconds"),
        (["when", "then"], r"line 2: 'then' is no time; there must be seconds \(12.5\) or a timestamp"),
        (["2026-01-31T00:00:00", "5"], r"line 2: '5' is no time; there must be a timestamp"),
        (["0", "2", "1.5"], r"line 3: '1.5' is before the time above it\. Sort"),
        (["0", "1", "2,ok"], r"line 3: 2 columns"),
        (["0", "nan"], r"line 2: 'nan' is no time"),
        (["0", "inf"], r"line 2: 'inf' is no time"),
        (["time"], "no arrival"),
        ([], "no arrival"),
        (["0", "700"], "700 s"),
        (["0"] * (int(MAX_RATE_PER_S) + 1), "rate"),
    ],
)
def test_what_is_no_recording_is_refused_by_its_line(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(WorkbenchError, match=says):
        from_csv(write(tmp_path, lines))


def test_a_zero_in_front_stays_the_beginning(tmp_path: Path) -> None:
    assert from_csv(write(tmp_path, ["", "0", "", "0", "5"])).planned_s == (0, 0, 5)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="cannot be read"):
        from_csv(tmp_path / "none.csv")
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe1\x00")
    with pytest.raises(WorkbenchError, match="no CSV in UTF-8"):
        from_csv(tmp_path / "table.csv")


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_is_above_zero(tmp_path: Path, speed: float) -> None:
    with pytest.raises(WorkbenchError, match="speed"):
        from_csv(write(tmp_path, ["0", "1"]), speed=speed)


def test_a_command_names_a_recording_by_its_file(tmp_path: Path) -> None:
    file = str(write(tmp_path, ["10", "12", "20"]))
    assert plan(file, speed=2).planned_s == (0, 1, 5)
    assert plan(file, duration_s=5).planned_s == (0, 2)
    with pytest.raises(WorkbenchError, match="own rate"):
        plan(file, rate=5)
    with pytest.raises(WorkbenchError, match="Only a recording"):
        plan("poisson", 10, 1, speed=2)
    with pytest.raises(WorkbenchError, match=r"no arrivals called 'steady'.*FILE.csv"):
        plan("steady", 10, 1)
