"""Bills and break-even rates against published check values, closed forms and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cost import (
    HOURS_A_MONTH,
    Hosting,
    PriceBook,
    billed_mean,
    break_even,
    container,
    container_usd,
    ec2,
    fargate,
    provisioned_usd,
    replicas_needed,
    serverless_usd,
    serverless_usd_per_hour,
    vm,
    vm_usd,
)
from workbench.errors import WorkbenchError
from workbench.faas.running.billing import RULES
from workbench.service import Resources
from workbench.statistics import Estimate

HALF = Resources(memory_mb=512)
DURATIONS = st.floats(0.01, 900_000)
MEMORIES = st.integers(128, 10_240)


def smallest_fargate() -> Hosting:
    size = next(s for s in PriceBook.load().fargate_sizes if (s.vcpus, s.memory_mb) == (0.25, 512))
    return fargate(size)


# ---- published check values ------------------------------------------------------------------------------------------


def test_lambda_of_512_mb_and_100_ms_costs_the_published_dollar_and_three_cents() -> None:
    assert serverless_usd(100, 512).usd == pytest.approx(1.0333, abs=5e-5)


def test_break_even_against_t3_micro_is_the_published_rate() -> None:
    found = break_even(HALF, 100, ec2("t3.micro"))
    assert found.rate_per_h == pytest.approx(10_065, abs=1)


def test_break_even_against_the_smallest_fargate_task_is_the_published_rate() -> None:
    assert smallest_fargate().usd_per_hour == pytest.approx(0.01234, abs=5e-6)
    assert break_even(HALF, 100, smallest_fargate()).rate_per_h == pytest.approx(11_945, abs=1)


# ---- serverless ------------------------------------------------------------------------------------------------------


def test_the_free_tier_takes_off_requests_and_gb_seconds_apart() -> None:
    # 3 million × 120 ms × 512 MB is 180,000 GB-s: all compute is free, two million requests are paid.
    cost = serverless_usd(120, 512, 3e6, free_tier=True)
    assert cost.usd == pytest.approx(0.40)
    assert serverless_usd(100, 512, 1e6, free_tier=True).usd == 0


def test_an_hour_at_a_rate_is_a_months_bill_over_its_hours() -> None:
    per_hour = serverless_usd_per_hour(10_000, 100, 512)
    assert per_hour == pytest.approx(10_000 * 1.033335e-6)
    free = serverless_usd_per_hour(10_000, 100, 512, free_tier=True)
    assert free == pytest.approx((10_000 * HOURS_A_MONTH - 1e6) * 0.2e-6 / HOURS_A_MONTH)


def test_an_http_front_changes_its_price_at_300_million() -> None:
    alone, fronted = serverless_usd(1, 128, 400e6), serverless_usd(1, 128, 400e6, http_front=True)
    assert fronted.usd - alone.usd == pytest.approx(300 + 90)
    assert serverless_usd(1, 128, http_front=True).lines[-1].usd == pytest.approx(1.0)


def test_arm_is_a_fifth_cheaper_per_gb_second() -> None:
    x86, arm = serverless_usd(1000, 1024).lines[1].usd, serverless_usd(1000, 1024, architecture="arm").lines[1].usd
    assert arm / x86 == pytest.approx(0.8, abs=1e-4)
    with pytest.raises(WorkbenchError, match="x86 or arm"):
        serverless_usd(1, 128, architecture="mips")


def test_every_line_carries_formula_source_and_status() -> None:
    bills = [serverless_usd(100, 512, http_front=True), container_usd(HALF), vm_usd(HALF, 2, 3)]
    for bill in bills:
        assert bill.basis
        assert math.isclose(bill.usd, sum(line["usd"] for line in bill.to_json()))
        for line in bill.to_json():
            assert set(line) == {"item", "usd", "formula", "source", "status"}
            assert line["formula"]
            assert line["source"]
            assert line["status"] in ("V", "S")


@given(DURATIONS, DURATIONS, MEMORIES, MEMORIES, st.floats(0, 1e9), st.floats(0, 1e9), st.booleans())
def test_more_never_costs_less(
    ms1: float, ms2: float, mb1: int, mb2: int, n1: float, n2: float, free_tier: bool
) -> None:
    less = serverless_usd(min(ms1, ms2), min(mb1, mb2), min(n1, n2), free_tier=free_tier).usd
    more = serverless_usd(max(ms1, ms2), max(mb1, mb2), max(n1, n2), free_tier=free_tier).usd
    assert 0 <= less <= more * (1 + 1e-12)


@given(DURATIONS, MEMORIES, st.floats(0, 1e9))
def test_the_free_tier_never_costs_more(ms: float, mb: int, n: float) -> None:
    assert serverless_usd(ms, mb, n, free_tier=True).usd <= serverless_usd(ms, mb, n).usd


@pytest.mark.parametrize(("ms", "mb", "n"), [(-1, 512, 1), (math.nan, 512, 1), (1, -1, 1), (1, 1, math.inf)])
def test_what_cannot_be_billed_is_refused(ms: float, mb: int, n: float) -> None:
    with pytest.raises(WorkbenchError, match="cannot be billed"):
        serverless_usd(ms, mb, n)


# ---- provisioned -----------------------------------------------------------------------------------------------------


def test_an_instance_kept_ready_costs_its_memory_by_the_second_whether_called_or_not() -> None:
    idle = provisioned_usd(2, 1024, 1)
    assert idle.usd == pytest.approx(2 * 3600 * 4.1667e-06)
    assert [entry.item for entry in idle.lines] == ["kept ready", "requests", "compute"]
    called = provisioned_usd(2, 1024, 1, requests=1_000_000, billed_ms=100)
    assert called.usd - idle.usd == pytest.approx(0.2 + 1_000_000 * 0.1 * 9.7222e-06)


@pytest.mark.parametrize(("minutes", "charged"), [(0, 0), (1, 5), (5, 5), (5.01, 10), (60, 60)])
def test_provisioned_time_is_charged_in_steps_of_five_minutes(minutes: float, charged: float) -> None:
    assert provisioned_usd(1, 1024, minutes / 60).usd == pytest.approx(charged * 60 * 4.1667e-06)


@pytest.mark.parametrize(("instances", "hours"), [(-1, 1.0), (1, -1.0), (1, math.inf), (1, math.nan)])
def test_provisioned_refuses_what_cannot_be_billed(instances: int, hours: float) -> None:
    with pytest.raises(WorkbenchError, match="0 or more"):
        provisioned_usd(instances, 512, hours)


# ---- billed durations ------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.01, 10_000), min_size=1, max_size=20), st.sampled_from(sorted(RULES)))
def test_billing_is_never_below_the_duration(durations: list[float], rule: str) -> None:
    found = billed_mean(durations, RULES[rule])
    mean = math.fsum(durations) / len(durations)
    # Rules round to the microsecond before they round up.
    assert found.value >= mean - 0.001
    assert found.value <= mean + RULES[rule].step_ms + 0.001
    assert found.low <= found.value * (1 + 1e-9)
    assert found.high >= found.value * (1 - 1e-9)


def test_init_is_billed_by_todays_rule_for_the_cold_share_only() -> None:
    warm = billed_mean([10.0] * 5).value
    assert warm == 10
    assert billed_mean([10.0] * 5, init_ms=[100, 300], cold_share=0.1).value == pytest.approx(10 + 0.1 * 200)
    assert billed_mean([10.0] * 5, RULES["1ms"], init_ms=[200], cold_share=0.1).value == pytest.approx(10)
    assert billed_mean([10.0] * 5, RULES["100ms"]).value == 100
    with pytest.raises(WorkbenchError, match="no init time"):
        billed_mean([10.0], cold_share=0.5)
    with pytest.raises(WorkbenchError, match="no durations"):
        billed_mean([])
    with pytest.raises(WorkbenchError, match="from 0 to 1"):
        billed_mean([10.0], cold_share=2)


# ---- hosting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory_mb", "fargate_size", "vm_type"),
    [
        (128, "0.25 vCPU / 0.5 GB", "t3.micro"),
        (442, "0.25 vCPU / 0.5 GB", "t3.micro"),
        (512, "0.5 vCPU / 1 GB", "t3.micro"),  # 0.29 vCPU no longer fits a quarter
        (1024, "1 vCPU / 2 GB", "t3.small"),  # and no operating system fits beside 1 GB in 1 GB
        (1769, "1 vCPU / 2 GB", "t3.small"),
        (3000, "2 vCPU / 4 GB", "t3.medium"),
    ],
)
def test_the_cheapest_size_that_holds_the_service(memory_mb: int, fargate_size: str, vm_type: str) -> None:
    resources = Resources(memory_mb=memory_mb)
    assert container(resources).size.name == fargate_size
    assert vm(resources).size.name == vm_type


@given(MEMORIES)
def test_a_container_always_holds_the_service_and_nothing_smaller_is_cheaper(memory_mb: int) -> None:
    resources = Resources(memory_mb=memory_mb)
    chosen = container(resources)
    assert chosen.size.memory_mb >= memory_mb
    assert chosen.size.vcpus >= resources.vcpus
    for size in PriceBook.load().fargate_sizes:
        if size.memory_mb >= memory_mb and size.vcpus >= resources.vcpus:
            assert fargate(size).usd_per_hour >= chosen.usd_per_hour


def test_no_vm_that_fits_says_so() -> None:
    with pytest.raises(WorkbenchError, match="price book"):
        vm(Resources(memory_mb=10_240))
    assert vm(Resources(memory_mb=3000), architecture="arm").size.name == "t4g.medium"
    with pytest.raises(WorkbenchError, match=r"t3\.micro"):
        ec2("z9.huge")


def test_a_minute_is_the_least_that_is_billed() -> None:
    micro = ec2("t3.micro")
    assert micro.usd(1 / 3600).usd == pytest.approx(0.0104 / 60)
    assert micro.usd(0).usd == 0
    assert micro.usd(10, 3).usd == pytest.approx(0.312)
    with pytest.raises(WorkbenchError, match="0 or more"):
        micro.usd(-1)


def test_a_burstable_vm_says_what_it_sustains() -> None:
    assert "sustains 0.2 vCPU" in ec2("t3.micro").hourly[0].formula
    assert "sustains" not in ec2("m7g.large").hourly[0].formula


def test_replicas() -> None:
    assert replicas_needed(1e9) == 1
    assert replicas_needed(36_000, 10) == 1
    assert replicas_needed(36_001, 10) == 2
    assert replicas_needed(0, 10, minimum=2) == 2
    with pytest.raises(WorkbenchError, match="Measure"):
        replicas_needed(1, 0)


# ---- break-even ------------------------------------------------------------------------------------------------------


@given(st.floats(1, 10_000), st.sampled_from(["container", "vm"]), st.sampled_from([128, 512, 1769]))
def test_at_the_break_even_both_cost_the_same(ms: float, against: str, memory_mb: int) -> None:
    resources = Resources(memory_mb=memory_mb)
    rate = break_even(resources, ms, against).rate_per_h
    assert rate is not None
    hosting = container(resources) if against == "container" else vm(resources)
    assert serverless_usd_per_hour(rate, ms, memory_mb) == pytest.approx(hosting.usd_per_hour)


@given(st.floats(1, 1000), st.floats(1.0, 3.0), st.sampled_from(["container", "vm"]))
def test_the_interval_of_the_duration_becomes_that_of_the_rate(ms: float, spread: float, against: str) -> None:
    found = break_even(HALF, Estimate(ms, ms / spread, ms * spread), against)
    assert found.low is not None
    assert found.rate_per_h is not None
    assert found.high is not None
    assert found.low <= found.rate_per_h <= found.high
    assert found.high == break_even(HALF, ms / spread, against).rate_per_h


@given(st.floats(1, 1000), st.floats(0.1, 200), st.integers(1, 3))
def test_with_bounded_instances_the_rate_is_the_first_at_which_enough_of_them_cost_no_more(
    ms: float, max_rate_per_s: float, minimum: int
) -> None:
    micro = ec2("t3.micro")
    found = break_even(HALF, ms, micro, max_rate_per_s=max_rate_per_s, minimum=minimum)

    def hosting_is_cheaper(rate: float) -> bool:
        replicas = replicas_needed(rate, max_rate_per_s, minimum)
        return micro.usd_per_hour * replicas <= serverless_usd_per_hour(rate, ms, 512) * (1 + 1e-9)

    unbounded = minimum * micro.usd_per_hour / serverless_usd_per_hour(1, ms, 512)
    if found.rate_per_h is None:
        # Then it is dearer at every full load of any number of instances, where it is at its best.
        assert not any(hosting_is_cheaper(n * max_rate_per_s * 3600) for n in range(minimum, minimum + 50))
        assert found.settled_per_h is None
        return
    assert found.rate_per_h == pytest.approx(unbounded)
    assert hosting_is_cheaper(found.rate_per_h * (1 + 1e-6)) or math.isclose(
        found.rate_per_h, minimum * max_rate_per_s * 3600, rel_tol=1e-5
    )
    assert not hosting_is_cheaper(found.rate_per_h * 0.999)
    if found.settled_per_h is not None:
        assert found.settled_per_h >= found.rate_per_h
        for factor in (1.0001, 1.01, 1.3, 2, 3.7, 10, 100):
            assert hosting_is_cheaper(found.settled_per_h * factor)


def test_between_first_and_settled_a_new_instance_makes_hosting_dearer_again() -> None:
    micro = ec2("t3.micro")
    found = break_even(HALF, 100, micro, max_rate_per_s=5)
    assert found.rate_per_h is not None
    assert found.settled_per_h is not None
    just_over_one = 5 * 3600 + 1
    assert found.rate_per_h < just_over_one < found.settled_per_h
    two = replicas_needed(just_over_one, 5) * micro.usd_per_hour
    assert two > serverless_usd_per_hour(just_over_one, 100, 512)


def test_break_even_refuses_what_it_does_not_know() -> None:
    with pytest.raises(WorkbenchError, match="container or vm"):
        break_even(HALF, 100, "mainframe")
    with pytest.raises(WorkbenchError, match="at least one"):
        break_even(HALF, 100, minimum=0)


def test_break_even_as_json_names_what_it_is_against() -> None:
    told = break_even(HALF, Estimate(100, 90, 110), "container", max_rate_per_s=0.001).to_json()
    assert told["against"] == "container"
    assert told["rate_per_h"] is None
    assert "per request" in told["formula"]
