from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.running.billing import RULES, TODAY
from workbench.faas.running.logs import KEPT_BYTES, TAIL_BYTES, InstanceLog, end_line, report_line, start_line, tail


@pytest.mark.parametrize(
    ("rule", "duration", "init", "billed"),
    [
        ("1ms-with-init", 2.01, 395.99, 398),
        ("1ms-with-init", 3.0000000000000004, 0, 3),
        ("1ms", 2642.34, 395.99, 2643),
        ("1ms", 0.0, 0, 1),
        ("100ms", 0.4, 0, 100),
        ("100ms", 100.0, 0, 100),
        ("100ms", 100.1, 500, 200),
    ],
)
def test_billed_durations(rule: str, duration: float, init: float, billed: int) -> None:
    assert RULES[rule].billed_ms(duration, init) == billed


@given(st.floats(0, 900_000), st.floats(0, 10_000), st.sampled_from(sorted(RULES)))
def test_a_bill_covers_the_duration_by_less_than_one_step(duration: float, init: float, name: str) -> None:
    rule = RULES[name]
    used = duration + (init if rule.init else 0)
    billed = rule.billed_ms(duration, init)
    assert billed % rule.step_ms == 0
    assert billed >= used - 0.001
    assert billed - used <= rule.step_ms + 0.001


def test_todays_rule_bills_init() -> None:
    assert TODAY.init
    assert TODAY.step_ms == 1


def test_lines_are_aws_to_the_tab() -> None:
    assert start_line("X") == b"START RequestId: X Version: $LATEST\n"
    assert end_line("X") == b"END RequestId: X\n"
    assert report_line("X", 2642.34, 2643, 128, 90) == (
        b"REPORT RequestId: X\tDuration: 2642.34 ms\tBilled Duration: 2643 ms\tMemory Size: 128 MB\t"
        b"Max Memory Used: 90 MB\t\n"
    )
    assert report_line("X", 1, 397, 128, 90, 395.99).endswith(b"\tInit Duration: 395.99 ms\t\n")


def test_each_invocation_has_its_own_lines_and_the_first_those_of_init() -> None:
    log = InstanceLog()
    log.write(b"init\n")
    log.begin("a")
    log.write(b"one\n")
    assert b"".join(log.finish()) == b"init\n" + start_line("a") + b"one\n"
    log.begin("b")
    assert log.finish() == [start_line("b")]
    assert log.text().startswith(b"init\n")


def test_lone_carriage_returns_end_lines_as_awslambdaric_means_them() -> None:
    log = InstanceLog()
    log.write(b"[ERROR]\rTraceback\r\nkept")
    assert log.text() == b"[ERROR]\nTraceback\r\nkept"


@given(st.lists(st.binary(max_size=40_000), max_size=12))
def test_a_log_is_bounded_and_keeps_the_end(chunks: list[bytes]) -> None:
    log = InstanceLog()
    for chunk in chunks:
        log.add(chunk)
    everything = b"".join(chunks)
    assert log.text() == everything[-len(log.text()) :] if log.text() else not everything
    assert len(log.text()) >= min(len(everything), KEPT_BYTES - 40_000)
    assert len(log.text()) <= KEPT_BYTES
    assert tail(log.finish()) == everything[-TAIL_BYTES:]
