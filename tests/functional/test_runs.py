"""`workbench runs` as a person types it, on runs that were really measured."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.needs import needs
from workbench import recorded
from workbench.labs import record_starts
from workbench.records import Run
from workbench.runs import compare, opened

SCHEMA_1 = Path(__file__).parents[1] / "data" / "run_schema_1.json"


def runs(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench.cli", "runs", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_bytes(SCHEMA_1.read_bytes())
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_bytes(SCHEMA_1.read_bytes()[:5000])
    return tmp_path


def test_an_old_run_and_a_broken_one_are_listed_and_the_old_one_shown(here: Path) -> None:
    listed = runs("list", cwd=here)
    assert listed.returncode == 0, listed.stderr
    first, second = (line.split() for line in listed.stdout.splitlines()[1:3])
    assert (first[0], first[-1]) == ("out/run.json", "yes")
    assert (second[0], second[1]) == ("cut/run.json", "unreadable,")
    shown = runs("show", "out", cwd=here)
    assert shown.returncode == 0, shown.stderr
    assert "While this was measured the machine did not drift beyond the noise" in shown.stdout
    assert "Modelled: list prices" in shown.stdout
    broken = runs("show", "cut", cwd=here)
    assert broken.returncode == 1
    assert broken.stderr.startswith("workbench: ")
    assert "Measure again" in broken.stderr


def test_runs_are_compared_and_exported(here: Path) -> None:
    refused = runs("compare", "out", "lab_01", cwd=here)
    assert refused.returncode == 1
    assert "--across-services" in refused.stderr
    same = runs("compare", "out", "out/run.json", cwd=here)
    assert same.returncode == 0, same.stderr
    assert "inside the noise" in same.stdout
    assert "second slower" not in same.stdout
    assert "second faster" not in same.stdout
    assert runs("export", "out", "lab_01", "--to", "all.csv", cwd=here).returncode == 0
    with (here / "all.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["run"] for row in found} == {"out", "lab_01"}
    assert {row["provenance"] for row in found} == {"measured", "modelled", "recorded"}
    assert runs("export", "out", "--to", "out/run.json", cwd=here).returncode == 1
    assert (here / "out" / "run.json").read_bytes() == SCHEMA_1.read_bytes()


def test_what_pandas_reads_is_what_was_measured(here: Path) -> None:
    done = runs("export", "out", "--to", "out.parquet", cwd=here)
    assert done.returncode == 0, done.stderr
    read = parquet.read_table(here / "out.parquet").to_pylist()
    measured = Run.load(SCHEMA_1).of("cold_start")["vm"]
    kept = [r for r in read if (r["experiment"], r["deployment"], r["warmup"]) == ("cold_start", "vm", False)]
    assert tuple(r["value"] for r in kept) == measured.samples


@needs("namespaces")
def test_a_recording_made_here_is_one_that_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_starts.record(starts=2)
    path = made.save(tmp_path / "lab_02.json")
    monkeypatch.setattr(recorded, "_PLACE", tmp_path)
    run = opened("lab_02")
    assert [m.deployment for m in run.measurements] == list(record_starts.TECHNIQUES)
    assert all("load average before" in m.provenance.how for m in run.measurements)
    assert all(m.provenance.kind == "recorded" for m in opened(path).measurements)
    times = [m.taken_s[turn] for turn in range(2) for m in run.measurements]
    assert times == sorted(times)
    assert {c.verdict for c in compare(run, run)} == {"too few samples"}
    assert os.listdir(tmp_path) == ["lab_02.json"]
