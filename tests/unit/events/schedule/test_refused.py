"""What AWS would not take is refused, with what is wrong and how a right one looks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.schedule import InvalidExpression
from workbench.events.schedule.expression import parse
from workbench.events.schedule.timetable import zone_named


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rate(1 minutes)", "it is 1 minute"),
        ("rate(5 hour)", "it is 5 hours"),
        ("rate(0 minutes)", "from 1"),
        ("rate(5 weeks)", "minutes, hours or days"),
        ("rate(5minutes)", "a space"),
        ("rate(-1 minutes)", "whole number"),
        ("cron(0 9 * * *)", "the year is missing"),
        ("cron(0 0 9 * * ? *)", "7 fields and not six"),
        ("cron(0 9 * * * *)", "the other one is ?"),
        ("cron(0 9 ? * ? *)", "exactly one"),
        ("cron(0 9 1 * MON *)", "exactly one"),
        ("cron(60 9 * * ? *)", "minutes takes 0 to 59, not '60'"),
        ("cron(0 24 * * ? *)", "hours takes 0 to 23"),
        ("cron(0 9 0 * ? *)", "day-of-month takes 1 to 31"),
        ("cron(0 9 * 13 ? *)", "month takes 1 to 12, or JAN to DEC, not '13'"),
        ("cron(0 9 ? * 8 *)", "day-of-week takes 1 to 7, or SUN to SAT"),
        ("cron(0 9 ? * MON/2 *)", "no steps"),
        ("cron(0 9 ? * 3#1,6#3 *)", "only one expression with #"),
        ("cron(0 9 ? * 3#6 *)", "1 to 5"),
        ("cron(0 9 1,15W * ? *)", "stands alone"),
        ("cron(0 9 L-3 * ? *)", "stands alone"),
        ("cron(0 9 * * ? 2200)", "year takes 1970 to 2199"),
        ("cron(0 9 * * ? 2030-2026)", "goes backwards"),
        ("cron(0,, 9 * * ? *)", "a comma too many"),
        ("cron(0/0 9 * * ? *)", "a step"),
        ("cron(? 9 * * ? *)", "in the field minutes any value is *"),
        ("at(2026-02-30T09:00:00)", "there is no such time"),
        ("at(2026-03-29 09:00:00)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-03-29T09:00:00Z)", "without a zone"),
    ],
)
def test_what_is_wrong_is_said_and_how_it_is_right(text: str, why: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        parse(text)
    message = str(refused.value)
    assert message.startswith(text)
    assert why in message
    assert "Right is, for example, " in message
    parse(message.split("Right is, for example, ")[1].split(" or ")[0].split(", which")[0].rstrip("."))


@pytest.mark.parametrize("text", ["", "every day", "cron 0 9 * * ? *", "rate(5 minutes) ", "RATE(5 minutes)"])
def test_what_is_no_expression_is_told_the_three_kinds(text: str) -> None:
    with pytest.raises(InvalidExpression, match="There are three kinds"):
        parse(text)


def test_scheduler_does_not_mind_singular_and_plural() -> None:
    assert parse("rate(1 hours)", lenient=True) == parse("rate(1 hour)")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b"])
def test_a_time_zone_that_is_none(name: str) -> None:
    with pytest.raises(InvalidExpression, match="IANA"):
        zone_named(name)


@settings(deadline=None, max_examples=200)
@given(st.text("0123456789 */?-,LW#MONJAN", max_size=24))
def test_whatever_is_written_is_understood_or_refused(inner: str) -> None:
    for kind in ("cron", "rate", "at"):
        try:
            parse(f"{kind}({inner})")
        except InvalidExpression:
            pass
