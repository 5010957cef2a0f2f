"""Which receipt rule takes which recipient, and what an SMTP reply may hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.mail.replies import reply
from workbench.events.mail.rules import Rule, RuleSet, takes


@pytest.mark.parametrize(
    ("condition", "taken", "left"),
    [
        ("user@example.com", ["user@example.com", "User@Example.COM", "user+news@example.com"], ["other@example.com"]),
        ("user@example.com", [], ["user@sub.example.com", "xuser@example.com", "user@example.com.au"]),
        ("user+news@example.com", ["user+news@example.com"], ["user@example.com", "user+else@example.com"]),
        ("example.com", ["a@example.com", "a@EXAMPLE.com"], ["a@sub.example.com", "a@notexample.com"]),
        ("sub.example.com", ["a@sub.example.com"], ["a@example.com", "a@x.sub.example.com"]),
        (".example.com", ["a@sub.example.com", "a@x.sub.example.com"], ["a@example.com", "a@notexample.com"]),
        ('"odd@name"@example.com', ['"odd@name"@example.com'], ["odd@name"]),
        ("example.com", [], ["example.com", "nobody", ""]),
    ],
)
def test_a_condition_takes_what_its_kind_documents(condition: str, taken: list[str], left: list[str]) -> None:
    assert [a for a in taken + left if takes(condition, a)] == taken


def test_a_rule_without_conditions_takes_all_and_one_with_some_those_that_any_of_them_takes() -> None:
    assert Rule("all").matched(["a@x.org", "b@y.org"]) == ["a@x.org", "b@y.org"]
    assert Rule("some", ("x.org", "c@z.org")).matched(["a@x.org", "b@y.org", "c@z.org"]) == ["a@x.org", "c@z.org"]


def test_a_set_keeps_the_order_of_rules_and_actions_and_leaves_out_what_is_disabled() -> None:
    answer = {
        "Metadata": {"Name": "inbound"},
        "Rules": [
            {"Name": "off", "Enabled": False, "Actions": [{"StopAction": {"Scope": "RuleSet"}}]},
            {"Name": "unsaid"},
            {
                "Name": "first",
                "Enabled": True,
                "ScanEnabled": True,
                "Recipients": ["x.org"],
                "Actions": [{"S3Action": {"BucketName": "b"}}, {"StopAction": {"Scope": "RuleSet"}}],
            },
            {"Name": "second", "Enabled": True},
        ],
    }
    rules = RuleSet.of(answer)
    assert rules.name == "inbound"
    assert [rule.name for rule in rules.rules] == ["first", "second"]
    assert rules.rules[0].scan
    assert not rules.rules[1].scan
    assert rules.rules[0].actions == (("S3Action", {"BucketName": "b"}), ("StopAction", {"Scope": "RuleSet"}))
    assert [(rule.name, who) for rule, who in rules.matching(["a@y.org", "b@x.org"])] == [
        ("first", ["b@x.org"]),
        ("second", ["a@y.org", "b@x.org"]),
    ]
    assert [rule.name for rule, _ in rules.matching(["a@y.org"])] == ["second"]


@pytest.mark.parametrize("answer", [{}, {"Rules": None}, {"Metadata": {"Name": "empty"}, "Rules": []}])
def test_no_active_set_and_an_empty_one_take_nobody(answer: dict[str, object]) -> None:
    assert not RuleSet.of(answer).takes("a@x.org")


@given(st.integers(200, 599), st.text(), st.text())
@settings(deadline=None)
def test_a_reply_is_one_line_of_ascii_whatever_it_is_made_of(code: int, status: str, text: str) -> None:
    line = reply(code, status, text)
    assert line.startswith(f"{code} ")
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= 510


def test_a_reply_has_its_status_only_where_that_is_one() -> None:
    assert reply(550, "5.1.1", "no\r\n250 yes") == "550 5.1.1 no 250 yes"
    assert reply(550, "oops 1", "no") == "550 no"
