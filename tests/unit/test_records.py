"""Runs on disk: what is written is what is read; what is broken is refused; a file is whole or the old one."""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import records
from workbench.errors import RecordError
from workbench.records import SCHEMA, Measurement, Provenance, Run

RESERVED = {"unit", "samples", "provenance", "warmups", "complete", "taken_s"}

SCHEMA_1 = Path(__file__).parents[1] / "data" / "run_schema_1.json"

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), FLOATS, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
SECTION = st.dictionaries(st.text(max_size=6), JSON, max_size=4)
NAMES = st.sampled_from(["serverless", "container", "vm", "fake"])


@st.composite
def measurements(draw: st.DrawFn, deployment: str, sandbox: str, provenance: Provenance) -> Measurement:
    unit = draw(st.sampled_from(["ms", "s", "usd"]))
    samples = tuple(draw(st.lists(FLOATS, max_size=6)))
    detail = draw(SECTION)
    detail = {key: value for key, value in detail.items() if key not in RESERVED | {f"samples_{unit}"}}
    return Measurement(
        draw(st.sampled_from(["cold_start", "scaling", "isolation", "cost", "delivery"])),
        deployment,
        sandbox,
        unit,
        samples,
        provenance,
        tuple(draw(st.lists(FLOATS, max_size=3))),
        detail,
        draw(st.booleans()),
        tuple(draw(st.lists(FLOATS, min_size=len(samples), max_size=len(samples)))) if draw(st.booleans()) else (),
    )


@st.composite
def runs(draw: st.DrawFn) -> Run:
    provenance = Provenance(draw(st.sampled_from(["measured", "recorded", "modelled"])), draw(st.text(max_size=9)))
    run = Run(draw(SECTION), draw(SECTION), complete=draw(st.booleans()))
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        for measurement in draw(st.lists(measurements(name, "process", provenance), max_size=3)):
            run = run.add(measurement)
    return replace(run, tradeoff={"quick": {"vm": {"value": draw(FLOATS), "unit": "s", "evidence": "x"}}})


def by_place(run: Run) -> dict[tuple[str, str], Measurement]:
    return {(m.deployment, m.experiment): m for m in run.measurements}


@given(runs())
def test_a_run_survives_its_json(run: Run) -> None:
    read = Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False)))
    assert by_place(read) == by_place(run)
    assert (read.service, read.environment, read.tradeoff) == (run.service, run.environment, run.tradeoff)
    assert (read.created, read.complete, read.deployments) == (run.created, run.complete, run.deployments)
    assert read.to_json() == run.to_json()


def sample_run(**more: Any) -> Run:
    cold = Measurement(
        "cold_start",
        "serverless",
        "namespaces",
        "ms",
        (9.5, 11.25),
        Provenance("measured", "client"),
        (30.0,),
        {"p50_ms": 10.375, "phases_ms": {"sandbox": [3.0, None]}},
        taken_s=(0.5, 1.75),
    )
    run = Run({"name": "pricing"}, {"cores": 2}, **more)
    return run.add(cold, replace(cold, deployment="vm", sandbox="process", samples=(40.0,), taken_s=(1.0,)))


def test_a_run_survives_the_disk(tmp_path: Path) -> None:
    run = sample_run()
    assert Run.load(run.save(tmp_path / "deep" / "run.json")) == run


def test_the_json_has_the_promised_places(tmp_path: Path) -> None:
    sample_run().save(tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    assert data["schema"] == SCHEMA
    section = data["deployments"]["serverless"]
    assert section["sandbox"] == "namespaces"
    assert section["provenance"]["kind"] == "measured"
    assert section["cold_start"]["samples_ms"] == [9.5, 11.25]
    assert section["cold_start"]["p50_ms"] == 10.375


def test_adding_replaces_the_same_experiment_of_the_same_deployment() -> None:
    run = sample_run()
    again = replace(run.measurements[0], samples=(1.0,), taken_s=(0.5,))
    assert run.add(again).of("cold_start")["serverless"].samples == (1.0,)
    assert len(run.add(again).measurements) == 2
    assert run.measurements[0].samples == (9.5, 11.25)
    assert run.deployments == ("serverless", "vm")


def test_a_file_truncated_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = replace(sample_run(), service={"name": "prüfung €"}).save(tmp_path / "run.json").read_bytes()
    cut = tmp_path / "cut.json"
    for size in range(len(whole) - 1):  # without its last byte, a line's end, it is still whole
        cut.write_bytes(whole[:size])
        with pytest.raises(RecordError, match="Measure again"):
            Run.load(cut)


@given(run=runs(), data=st.data())
def test_any_truncated_run_is_refused(run: Run, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = json.dumps(run.to_json(), ensure_ascii=False).encode(errors="surrogatepass")
    path = tmp_path_factory.mktemp("truncated") / "run.json"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(RecordError, match="Measure again"):
        Run.load(path)


@given(JSON)
def test_any_other_json_is_refused(content: Any) -> None:
    data = {**sample_run().to_json(), "deployments": {"vm": content}}
    with contextlib.suppress(RecordError):  # and nothing else may come of it
        assert Run.from_json(data).measurements == ()  # an empty section, or one without an experiment, is none


@pytest.mark.parametrize("schema", [SCHEMA + 1, 99])
def test_a_newer_schema_says_what_to_do(schema: int, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**sample_run().to_json(), "schema": schema}))
    with pytest.raises(RecordError, match=rf"run.json.*newer workbench.*1 to {SCHEMA}.*Upgrade the workbench"):
        Run.load(path)


@pytest.mark.parametrize("schema", [None, 0, -1, "1", True, 1.0, []])
def test_what_is_no_schema_is_no_run(schema: object) -> None:
    with pytest.raises(RecordError, match=r"not a run.*workbench compare"):
        Run.from_json({**sample_run().to_json(), "schema": schema})


def test_a_run_of_schema_1_is_read_and_written_in_todays() -> None:
    # Measured by the workbench as it was with schema 1; its home and temporary directory were renamed since.
    old = json.loads(SCHEMA_1.read_text())
    assert old["schema"] == 1
    run = Run.load(SCHEMA_1)
    for name, section in old["deployments"].items():
        cold = run.of("cold_start")[name]
        assert list(cold.samples) == section["cold_start"]["samples_ms"]
        assert cold.detail["p50_ms"] == section["cold_start"]["p50_ms"]
        assert cold.taken_s == ()
    assert run.to_json()["schema"] == SCHEMA
    assert Run.from_json(run.to_json()) == run
    assert json.loads(SCHEMA_1.read_text()) == old


def test_every_older_schema_has_a_step_to_the_next() -> None:
    assert list(records._STEPS) == list(range(1, SCHEMA))
    assert all(f"\n{version}   " in (records.__doc__ or "") for version in range(1, SCHEMA + 1))


@pytest.mark.parametrize("samples", [["1"], [None], [True], 3, "12", [math.inf], [[1.0]]])
def test_samples_that_are_no_numbers_are_refused(samples: object) -> None:
    data = json.loads(json.dumps(sample_run().to_json()))
    data["deployments"]["vm"]["cold_start"]["samples_ms"] = samples
    with pytest.raises(RecordError, match="not a list of numbers"):
        Run.from_json(data)


def test_times_that_are_not_those_of_the_samples_are_refused() -> None:
    data = json.loads(json.dumps(sample_run().to_json()))
    data["deployments"]["vm"]["cold_start"]["taken_s"] = [1.0, 2.0]
    with pytest.raises(RecordError, match="1 samples, but was given 2 times"):
        Run.from_json(data)


@pytest.mark.parametrize("part", ["service", "environment", "deployments", "tradeoff"])
def test_a_part_of_another_kind_is_refused(part: str) -> None:
    with pytest.raises(RecordError, match=f"{part} is no dict"):
        Run.from_json({**sample_run().to_json(), part: "x"})


@pytest.mark.parametrize("part", ["service", "environment", "deployments", "tradeoff", "created", "complete"])
def test_a_missing_part_is_refused(part: str) -> None:
    data = sample_run().to_json()
    del data[part]
    with pytest.raises(RecordError, match=part):
        Run.from_json(data)


@pytest.mark.parametrize("garbled", [[], 3, {"serverless": []}, {"serverless": {"sandbox": "x", "cold_start": {}}}])
def test_garbled_deployments_are_refused(garbled: object) -> None:
    with pytest.raises(RecordError, match="garbles"):
        Run.from_json({**sample_run().to_json(), "deployments": garbled})


@pytest.mark.parametrize("content", ["", "[]", "null", "3", '"run"', "\x00", "[" * 100_000])
def test_what_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RecordError):
        Run.load(tmp_path / "run.json")


def test_an_absent_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="workbench compare"):
        Run.load(tmp_path / "run.json")
    with pytest.raises(RecordError, match="readable"):
        Run.load(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(RecordError, match="readable"):
        Run.load(tmp_path / "latin.json")


def test_a_detail_may_not_take_a_reserved_name() -> None:
    run = sample_run()
    clash = replace(run.measurements[0], detail={"unit": "s"})
    with pytest.raises(RecordError, match="reserved"):
        run.add(clash).to_json()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    old = sample_run()
    old.save(path)
    broken = old.add(replace(old.measurements[0], samples=(math.nan,), taken_s=()))
    with pytest.raises(ValueError):
        broken.save(path)
    assert Run.load(path) == old
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    short = sample_run()
    long = short.add(replace(short.measurements[0], samples=tuple(map(float, range(20_000))), taken_s=()))
    short.save(path)
    done = threading.Event()

    def write() -> None:
        for _ in range(15):
            long.save(path)
            short.save(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set() or reads == 0:
        assert Run.load(path) in (short, long)
        reads += 1
    writer.join()
    assert os.listdir(tmp_path) == ["run.json"]
