"""Runs as one long table, a row for every sample, in CSV or Parquet: what pandas and its like read at once."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import CapabilityMissing, RecordError
from workbench.findings.repeated import kind_of
from workbench.recorded import machine
from workbench.records import Measurement, Run
from workbench.writing import whole

COLUMNS: dict[str, type] = {
    "run": str,
    "created": str,
    "service": str,
    "machine": str,
    "experiment": str,
    "deployment": str,
    "sandbox": str,
    "unit": str,
    "kind": str,
    "index": int,
    "warmup": bool,
    "taken_s": float,
    "value": float,
    "provenance": str,
    "complete": bool,
}
"""The columns and what is in them. `kind` says what the samples are (see `findings.repeated`): a mean over the steps of
a search means nothing. `index` counts the samples of a measurement in the order taken, and its warm-ups
apart; `taken_s` is empty where nobody noted the time; `run` is the name under which the run was given."""

_OURS = b"workbench.runs.export"


def rows(runs: Mapping[str, Run]) -> Iterator[dict[str, Any]]:
    """A row for every sample and warm-up of the runs, by COLUMNS; `pandas.DataFrame(rows({...}))` takes it as it is."""
    for name, run in runs.items():
        about = {
            "run": name,
            "created": run.created,
            "service": str(run.service.get("name", "")),
            "machine": machine(run),
        }
        for m in run.measurements:
            yield from _of(m, about)


def export(runs: Mapping[str, Run], target: str | Path) -> int:
    """Write `rows(runs)` to `target`, whole or not at all, as its ending says: .csv or .parquet; returns how many.

    An earlier export is replaced. Raises RecordError for another ending, or where something else lies there;
    CapabilityMissing for Parquet without pyarrow.
    """
    place = Path(target)
    write = {".csv": _to_csv, ".parquet": _to_parquet}.get(place.suffix.lower())
    if write is None:
        raise RecordError(f"{place} ends in neither .csv nor .parquet. Name a file that does, such as out.csv.")
    found = list(rows(runs))
    try:
        _check_replaceable(place)
        with whole(place) as file:
            write(found, file)
    except OSError as error:
        raise RecordError(f"Cannot write {place} ({error.strerror or error}). Name another file with --to.") from error
    return len(found)


def _of(m: Measurement, about: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    head = {
        **about,
        "experiment": m.experiment,
        "deployment": m.deployment,
        "sandbox": m.sandbox,
        "unit": m.unit,
        "kind": kind_of(m),
    }
    tail = {"provenance": m.provenance.kind, "complete": m.complete}
    for index, value in enumerate(m.warmups):
        yield {**head, "index": index, "warmup": True, "taken_s": None, "value": value, **tail}
    for index, value in enumerate(m.samples):
        at = m.taken_s[index] if m.taken_s else None
        yield {**head, "index": index, "warmup": False, "taken_s": at, "value": value, **tail}


def _to_csv(found: Iterable[Mapping[str, Any]], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def _to_parquet(found: list[dict[str, Any]], file: Path) -> None:
    pa = _pyarrow()
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()], metadata={_OURS: b"1"})
    pa.parquet.write_table(pa.Table.from_pylist(found, schema=schema), file)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CapabilityMissing(
            "Parquet needs pyarrow, which is not installed here",
            "Install it (pip install pyarrow), or export to a .csv file.",
        ) from error
    return pyarrow


def _check_replaceable(place: Path) -> None:
    if not place.exists() or (place.is_file() and place.stat().st_size == 0):
        return
    if place.is_dir() or not (_is_csv_of_ours(place) or _is_parquet_of_ours(place)):
        raise RecordError(f"{place} is there and is no export of runs. Name another file, or remove it first.")


def _is_csv_of_ours(place: Path) -> bool:
    with place.open("rb") as file:
        return file.readline(4096).rstrip(b"\r\n") == ",".join(COLUMNS).encode()


def _is_parquet_of_ours(place: Path) -> bool:
    with place.open("rb") as file:
        if file.read(4) != b"PAR1":
            return False
    try:
        return _OURS in (_pyarrow().parquet.read_schema(place).metadata or {})
    except (CapabilityMissing, OSError, ValueError):
        return False
