"""A pytest plugin for runs inside the guest: each test's end is told to the machine outside."""

from __future__ import annotations

import pytest

from tests.guest import inside


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say how a test ended; of its set-up and tear-down only what did not pass."""
    if report.when == "call" or not report.passed:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        inside.say(test=report.nodeid, outcome=report.outcome, why=reason, seconds=round(report.duration, 1))
