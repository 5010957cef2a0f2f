"""A bill says what each dollar is for, where its price is from, and that it is modelled."""

from __future__ import annotations

import pytest

from workbench.cost import provisioned_usd
from workbench.labs import AMOUNTS, amount, bill


def test_a_bill_has_the_lines_that_cost_something_and_their_sum() -> None:
    panel = bill(provisioned_usd(2, 1024, 1))
    assert [line.split()[0] for line in panel.text.splitlines()[:3]] == ["for", "kept", "together"]
    assert "requests" not in panel.text
    assert "Modelled, not measured" in panel.text
    assert "AWS Lambda pricing" in panel.text
    assert "compute" in bill(provisioned_usd(2, 1024, 1, requests=1e6, billed_ms=100)).text


def test_a_bill_of_nothing_is_said_as_such() -> None:
    assert "together  $0.00" in bill(provisioned_usd(0, 1024, 1)).text


@pytest.mark.parametrize(("usd", "said"), [(0, 0), (0.01, 1), (0.999, 1), (1, 2), (10, 2), (10.01, 3)])
def test_a_sum_is_one_of_the_choices(usd: float, said: int) -> None:
    assert amount(usd) == AMOUNTS[said]
