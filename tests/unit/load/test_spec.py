"""What a load may be told: bounds, loopback, and the JSON that carries it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load import constant, poisson
from workbench.load.schedule import MAX_RATE_PER_S
from workbench.load.spec import LoadSpec
from workbench.load.targets import check_targets, is_loopback

HERE = Target("http://127.0.0.1:8000/f")

TARGETS = st.builds(
    Target,
    st.sampled_from(["http://127.0.0.1:1/", "http://localhost:2/a%2Fb?c=d", "http://[::1]:3/x"]),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.tuples(st.sampled_from(["X-A", "X-B"]), st.text("abc \t=,", max_size=9)), max_size=3).map(tuple),
    st.binary(max_size=40),
    st.text(max_size=5),
)


@given(st.lists(TARGETS, min_size=1, max_size=4), st.lists(st.integers(0, 10**8), min_size=1, max_size=30))
def test_a_spec_survives_its_json(targets: list[Target], ticks: list[int]) -> None:
    spec = LoadSpec(tuple(targets), tuple(sorted(tick / 1e6 for tick in ticks)), 2.5, 7)
    assert LoadSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_only_loopback_is_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_remote_target_needs_a_yes() -> None:
    remote = Target("https://example.com/f")
    with pytest.raises(WorkbenchError, match="allow_remote=True"):
        check_targets([HERE, remote], allow_remote=False)
    check_targets([HERE, remote], allow_remote=True)


def test_the_host_is_not_taken_from_the_user_part() -> None:
    with pytest.raises(WorkbenchError, match=r"example\.com is not this machine"):
        check_targets([Target("http://127.0.0.1@example.com/")], allow_remote=False)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1/", "http:///x", "http://[::1/"])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(WorkbenchError, match="address"):
        check_targets([Target(url)], allow_remote=True)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (LoadSpec((), (0.0,)), "at least one target"),
        (LoadSpec((HERE,), ()), "no request"),
        (LoadSpec((HERE,), (1.0, 0.5)), "must rise"),
        (LoadSpec((HERE,), (-1.0,)), "must rise"),
        (LoadSpec((HERE,), (0.0, 601.0)), "duration"),
        (LoadSpec((HERE,), tuple(k / 30_000 for k in range(60_000))), "rate"),
        (LoadSpec((HERE,), (0.0,), timeout_s=0), "time limit"),
        (LoadSpec((HERE,), (0.0,), max_connections=0), "at least one"),
    ],
)
def test_out_of_bounds_says_what(spec: LoadSpec, says: str) -> None:
    with pytest.raises(WorkbenchError, match=says):
        spec.check()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"targets": 5, "planned_s": [0]},
        {"targets": [{}], "planned_s": [0]},
        {"targets": [{"url": "http://127.0.0.1:1/", "body": "%"}], "planned_s": [0]},
        {"targets": [{"url": "http://127.0.0.1:1/"}], "planned_s": ["soon"]},
        {"targets": [{"url": "http://example.com/"}], "planned_s": [0], "allow_remote": "yes"},
    ],
)
def test_garbled_json_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(WorkbenchError):
        LoadSpec.from_json(data)


def test_a_schedule_at_the_highest_rate_passes() -> None:
    for schedule in (constant(MAX_RATE_PER_S, 2), poisson(MAX_RATE_PER_S, 1, seed=1), poisson(0.01, 600, seed=1)):
        LoadSpec((HERE,), schedule.planned_s).check()
