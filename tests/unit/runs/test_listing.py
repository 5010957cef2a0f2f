"""A listing has a line for every run and for every file that should be one, and never breaks."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.made_up_run import made_up_run
from workbench import recorded
from workbench.errors import RecordError
from workbench.records import SCHEMA, Run
from workbench.runs import find, opened
from workbench.runs.listing import problems, table


def text(found: object, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(found)
    return captured.get()


@pytest.fixture
def small() -> Run:
    run = made_up_run(samples=3)
    return replace(run, measurements=run.measurements[:1], tradeoff={})


def test_runs_are_found_below_and_the_newest_comes_first(tmp_path: Path, small: Run) -> None:
    old = replace(small, created="2026-01-01T00:00:00+00:00").save(tmp_path / "a" / "run.json")
    new = small.save(tmp_path / "b" / "deep" / "mine.json")
    (tmp_path / "b" / "package.json").write_text('{"name": "no run"}')
    small.save(tmp_path / ".hidden" / "run.json")
    small.save(tmp_path / "node_modules" / "run.json")
    assert [one.path for one in find([tmp_path])] == [new, old]
    assert [one.path for one in find([old, tmp_path])] == [new, old]  # named twice, listed once


def test_each_run_is_one_line_at_a_hundred_columns(tmp_path: Path, small: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = made_up_run(samples=3, name="a-service-with-a-long-name")
    cpu = {**whole.environment, "cpu": "Processor with a very long name @ 2.1GHz"}
    replace(whole, environment=cpu).save("out/run.json")
    replace(small, complete=False).save("after/run.json")
    lines = text(table(find())).splitlines()
    assert len(lines) == 3
    assert [line.split()[-1] for line in lines] == ["whole", "yes", "no"]
    assert "out/run.json" in lines[1]
    assert "2026-08-01 10:00" in lines[1]
    assert "serverless, container, vm" in lines[1]


def test_what_is_no_run_is_a_line_that_says_so(tmp_path: Path, small: Run) -> None:
    whole = small.save(tmp_path / "good" / "run.json").read_text()
    bad = {
        "cut": whole[: len(whole) // 2],
        "empty": "",
        "foreign": '{"a": 1}',
        "list": "[]",
        "newer": json.dumps({**small.to_json(), "schema": SCHEMA + 1}),
        "garbled": json.dumps({**small.to_json(), "environment": 3}),
        "binary": "\x00\x01",
    }
    for name, content in bad.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(content)
    found = find([tmp_path])
    assert sum(one.run is not None for one in found) == 1
    said = "\n".join(problems(found))
    assert all(name in said for name in bad)
    assert "Upgrade the workbench" in said
    assert text(table(found)).count("unreadable") == len(bad)


def test_a_run_cut_at_any_byte_is_one_line(tmp_path: Path, small: Run) -> None:
    whole = replace(small, service={"name": "größe"}, measurements=()).save(tmp_path / "run.json").read_bytes()
    for size in range(len(whole) - 1):
        (tmp_path / "run.json").write_bytes(whole[:size])
        (one,) = find([tmp_path])
        assert one.run is None
        assert one.problem


@given(
    about=st.dictionaries(
        st.sampled_from(["name", "cpu", "cores", "notes"]), st.none() | st.integers() | st.text(max_size=4)
    )
)
def test_whatever_is_in_a_run_it_can_be_listed(
    about: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("odd")
    Run(about, about).save(place / "run.json")
    (one,) = find([place])
    assert one.run is not None
    assert text(table([one]))


def test_nothing_that_blocks_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    assert find([tmp_path]) == ()


def test_a_link_in_a_circle_ends(tmp_path: Path, small: Run) -> None:
    small.save(tmp_path / "run.json")
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(find([tmp_path])) == 1


def test_a_place_that_is_not_there_is_an_error_but_no_place_at_all_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordError, match="Name a directory"):
        find([tmp_path / "absent"])
    monkeypatch.chdir(tmp_path)
    assert find() == ()


def test_a_run_is_opened_by_file_directory_or_recorded_name(tmp_path: Path, small: Run) -> None:
    path = small.save(tmp_path / "run.json")
    assert opened(path) == opened(str(tmp_path)) == small
    name = recorded.names()[0]
    assert {m.provenance.kind for m in opened(name).measurements} <= {"recorded", "modelled"}
    assert opened(Path(recorded.__file__).parent / f"{name}.json") == opened(name)
    with pytest.raises(RecordError, match=name):
        opened(tmp_path / "absent.json")
    (tmp_path / "none").mkdir()
    with pytest.raises(RecordError, match="There is no run"):
        opened(tmp_path / "none")
