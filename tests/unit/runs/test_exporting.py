"""Exports: every sample a row, the same in CSV and Parquet, whole or not there, and nothing else is overwritten."""

from __future__ import annotations

import csv
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tests.made_up_run import made_up_run
from workbench.errors import CapabilityMissing, RecordError
from workbench.records import Measurement, Provenance, Run
from workbench.runs import COLUMNS, export, rows

ODD = Run(
    {"name": 'a, "b"\nü'},
    {"cpu": "Test", "cores": 2},
    (
        Measurement(
            "cold_start",
            "vm",
            "namespaces, zygote",
            "ms",
            (0.1 + 0.2, 2.0, 1e-300),
            Provenance("measured", "x"),
            warmups=(9.0,),
            taken_s=(0.5, 1.5, 2.5),
        ),
        Measurement("cost", "vm", "process", "usd", (3.0,), Provenance("modelled", "y"), complete=False),
        Measurement("delivery", "vm", "process", "s", (), Provenance("measured", "z")),
    ),
    created="2026-08-01T10:00:00+00:00",
)


def read_csv(path: Path) -> list[dict[str, Any]]:
    kinds: dict[str, Any] = {
        name: {float: lambda text: float(text) if text else None, bool: lambda text: text == "True"}.get(kind, kind)
        for name, kind in COLUMNS.items()
    }
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: kinds[name](text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_every_sample_and_warm_up_is_a_row_in_order() -> None:
    found = list(rows({"odd": ODD}))
    assert [(r["experiment"], r["index"], r["warmup"], r["taken_s"]) for r in found] == [
        ("cold_start", 0, True, None),
        ("cold_start", 0, False, 0.5),
        ("cold_start", 1, False, 1.5),
        ("cold_start", 2, False, 2.5),
        ("cost", 0, False, None),
    ]
    assert all(list(r) == list(COLUMNS) for r in found)
    assert {(r["provenance"], r["complete"]) for r in found} == {("measured", True), ("modelled", False)}


def test_a_csv_says_the_same_to_the_last_digit(tmp_path: Path) -> None:
    assert export({"odd": ODD}, tmp_path / "deep" / "out.csv") == 5
    assert read_csv(tmp_path / "deep" / "out.csv") == list(rows({"odd": ODD}))


def test_a_parquet_file_says_the_same_with_types(tmp_path: Path) -> None:
    runs = {"odd": ODD, "made up": made_up_run(samples=4)}
    count = export(runs, tmp_path / "out.parquet")
    read = parquet.read_table(tmp_path / "out.parquet")
    assert read.to_pylist() == list(rows(runs))
    assert read.num_rows == count
    assert [str(read.schema.field(name).type) for name in ("index", "warmup", "value", "unit")] == [
        "int64",
        "bool",
        "double",
        "string",
    ]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_an_earlier_export_is_replaced(name: str, tmp_path: Path) -> None:
    export({"a": made_up_run(samples=3)}, tmp_path / name)
    assert export({"b": ODD}, tmp_path / name) == 5
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PAR1 but no table", b"\x00", b"run,created\n"])
@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_somebody_elses_file_is_not(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match="is no export"):
        export({"a": ODD}, tmp_path / name)
    assert (tmp_path / name).read_bytes() == content


def test_somebody_elses_parquet_file_is_not_replaced_either(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"value": [1.0]}), tmp_path / "out.parquet")
    with pytest.raises(RecordError, match="is no export"):
        export({"a": ODD}, tmp_path / "out.parquet")


def test_an_empty_file_may_be_filled_and_a_directory_may_not(tmp_path: Path) -> None:
    (tmp_path / "new.csv").touch()
    assert export({"a": ODD}, tmp_path / "new.csv") == 5
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RecordError, match="is no export"):
        export({"a": ODD}, tmp_path / "folder.csv")


@pytest.mark.parametrize("name", ["out", "out.xlsx", "run.json"])
def test_another_ending_is_refused_with_those_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"\.csv nor \.parquet"):
        export({"a": ODD}, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="Cannot write"):
        export({"a": ODD}, tmp_path / "file" / "out.csv")


def test_without_pyarrow_parquet_says_what_to_install_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as Python marks a module that cannot be imported
    with pytest.raises(CapabilityMissing, match=r"pip install .*parquet.*csv"):
        export({"a": ODD}, tmp_path / "out.parquet")
    assert os.listdir(tmp_path) == []
    assert export({"a": ODD}, tmp_path / "out.csv") == 5


def test_an_interrupted_export_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export({"a": ODD}, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(csv.DictWriter, "writerows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export({"a": replace(ODD, measurements=())}, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == before
    assert os.listdir(tmp_path) == ["out.csv"]
