"""What a run is said to show: names a difference only beyond the noise, and says what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.made_up_run import made_up_run
from workbench import findings
from workbench.findings import advising, drifting, forces, money, wording
from workbench.findings.repeated import kind_of
from workbench.findings.selecting import display_name, sandbox_of, select
from workbench.records import Measurement, Provenance, Run
from workbench.statistics import drift


def cold(deployment: str, samples: tuple[float, ...], **detail: Any) -> Measurement:
    return Measurement(
        "cold_start", deployment, "process", "ms", samples, Provenance("measured", "test"), detail=detail
    )


def around(middle: float, spread: float = 0.1, count: int = 20) -> tuple[float, ...]:
    return tuple(middle * (1 + spread * ((i * 7 % count) / count - 0.5)) for i in range(count))


def test_a_ratio_beyond_the_noise_is_named_in_the_title() -> None:
    found = findings.cold_start([cold("serverless", around(10)), cold("container", around(52))])
    assert found.title == "Container starts 5.2× slower than serverless"


def test_a_difference_inside_the_noise_names_no_winner() -> None:
    found = findings.cold_start([cold("serverless", around(10, 2)), cold("container", around(10.5, 2))])
    assert "no more than the noise" in found.title
    assert any("inside the noise" in sentence for sentence in found.reading)


def test_too_few_samples_never_make_a_difference() -> None:
    found = findings.cold_start([cold("serverless", (1.0, 1.0)), cold("container", (900.0, 901.0))])
    assert "slower" not in found.title
    assert "noise" in found.title


def test_the_deployment_that_is_slower_is_the_one_called_so() -> None:
    found = findings.cold_start([cold("serverless", around(90)), cold("vm", around(30))])
    assert found.title == "Serverless starts 3.0× slower than VM-style process"


def test_a_whole_run_misses_nothing_but_its_own_notes() -> None:
    assert findings.missing(made_up_run()) == ("TEST DATA: nobody measured this.",)


def test_what_is_missing_is_said() -> None:
    run = made_up_run()
    kept = tuple(m for m in run.measurements if (m.experiment, m.deployment) != ("scaling", "vm"))
    cut = replace(run, measurements=(replace(kept[0], complete=False), *kept[1:]), complete=False)
    notes = " ".join(findings.missing(cut))
    assert "No scaling was measured for VM-style process." in notes
    assert "Serverless: interrupted" in notes or "serverless: interrupted" in notes
    assert "This run was interrupted" in notes


def test_a_generator_that_fell_behind_is_said() -> None:
    run = made_up_run()
    late = replace(run.of("scaling")["vm"], detail={**run.of("scaling")["vm"].detail, "kept_up": False})
    assert "fell behind" in " ".join(findings.scaling(run.add(late)).notes)


def test_the_cost_title_names_the_cheaper_side_and_the_rate() -> None:
    title = findings.cost(made_up_run()).title
    assert title == "Serverless is cheaper than VM-style process up to about 20,100 requests/h (5.6/s)"


def test_break_evens_recorded_both_ways_are_counted_once() -> None:
    run = made_up_run()
    vm = run.of("cost")["vm"]
    mirrored = [{"against": "serverless", "rate_per_h": 20_130.0, "low": 1e4, "high": 3e4}]
    both = run.add(replace(vm, detail={**vm.detail, "break_even": mirrored}))
    assert len(money.break_evens(select(both, "cost"))) == 2


def test_a_noisy_neighbour_is_only_felt_when_the_interval_leaves_one_out() -> None:
    title = findings.noisy_neighbour(made_up_run()).title
    assert title.startswith("A noisy neighbour slows container")
    assert "nothing beyond the noise to serverless" in title


def test_the_conclusions_come_from_the_run() -> None:
    said = " ".join(findings.conclusions(made_up_run()))
    assert "20,100 requests/h" in said
    assert "VM-style process did not meet the latency goal" in said
    assert findings.conclusions(Run({}, {})) == (
        "Too little was measured to conclude anything. Run the comparison again to the end.",
    )


def test_a_slow_neighbour_is_no_reason_to_distrust_its_code() -> None:
    run = made_up_run()
    boxed = run.of("isolation")["serverless"]
    slow = {
        "name": "noisy neighbour",
        "question": "Does a busy neighbour leave it its CPU?",
        "held": False,
        "observed": "",
    }
    slowed = replace(boxed, detail={**boxed.detail, "probes": [*boxed.detail["probes"], slow]})
    said = " ".join(findings.conclusions(run.add(slowed)))
    assert "nothing that was tested got out of serverless" in said
    assert "Neighbours: a noisy neighbour slows" in said


def test_a_container_without_docker_says_so() -> None:
    run = made_up_run()
    boxed = replace(run.of("cold_start")["container"], sandbox="namespaces")
    assert "no Docker" in sandbox_of(boxed)
    assert "no Docker" in findings.compared(Run(run.service, run.environment, (boxed,)))


def test_a_vm_style_process_is_never_called_a_vm() -> None:
    assert display_name("vm", "process") == "VM-style process"
    assert display_name("vm", "qemu") == "VM"


@pytest.mark.parametrize("sandbox", ["qemu-tcg", "qemu-kvm", "qemu-tcg-snapshot", "qemu-kvm-snapshot"])
def test_a_virtual_machine_is_never_called_a_process(sandbox: str) -> None:
    assert display_name("vm", sandbox) == "VM"


@pytest.mark.parametrize("sandbox", ["qemu-tcg", "qemu-tcg-snapshot"])
def test_an_emulated_processor_is_the_first_thing_to_read(sandbox: str) -> None:
    run = made_up_run()
    machines = replace(
        run, measurements=tuple(replace(m, sandbox=sandbox) if m.deployment == "vm" else m for m in run.measurements)
    )
    assert "emulated" in findings.missing(machines)[0]
    assert findings.emulated(machines) == findings.missing(machines)[0]


@pytest.mark.parametrize("sandbox", ["process", "qemu-kvm", "qemu-kvm-snapshot"])
def test_a_processor_that_is_none_of_qemus_needs_no_warning(sandbox: str) -> None:
    run = made_up_run()
    machines = replace(run, measurements=tuple(replace(m, sandbox=sandbox) for m in run.measurements))
    assert findings.emulated(machines) == ""
    assert not any("emulated" in note for note in findings.missing(machines))


def test_the_same_way_with_other_numbers_is_said_once() -> None:
    measured = [
        replace(cold(name, (1.0,)), provenance=Provenance("measured", f"{n} cold starts, 1 caller"))
        for name, n in (("serverless", 14), ("container", 29), ("vm", 6))
    ]
    assert select(measured, "cold_start").provenance == "measured: 6–29 cold starts, 1 caller"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"value": None, "reason": "x"}, "not measured"),
        ({"value": 8.314, "unit": "ms"}, "8.31\u00a0ms"),
        ({"value": 1.5, "unit": "usd per million requests"}, "$1.50 per million requests"),
        ({"value": 2, "unit": "of 3: python, node"}, "2 of 3: python, node"),
        ({"value": {"CPU": True, "memory": False}}, "CPU held, memory not held"),
        ({"value": "never in this burst", "unit": ""}, "never in this burst"),
    ],
)
def test_a_cell_reads_well(content: dict[str, Any], text: str) -> None:
    assert forces.text(content) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.0123"), (8.314, "8.31"), (12_345, "12,300"), (0, "0"), (999.7, "1,000")]
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert wording.significant(value) == text


def test_a_technique_that_does_not_start_from_nothing_is_named() -> None:
    forked = replace(cold("serverless", around(10)), sandbox="namespaces, zygote")
    found = findings.cold_start([forked, cold("container", around(52))])
    (sentence,) = [s for s in found.reading if "forked" in s]
    assert "serverless" in sentence
    assert not any("forked" in s for s in findings.cold_start([cold("serverless", around(10))]).reading)


def in_turn(middle: float, over: float, count: int = 12, place: int = 0, **more: Any) -> Measurement:
    """Cold starts that take `over` times as long at the end as at the beginning, and vary a little."""
    levels = around(middle, 0.04, count)
    samples = tuple(level * over ** (i / (count - 1)) for i, level in enumerate(levels))
    return replace(cold("vm", samples), taken_s=tuple(3.0 * i + place for i in range(count)), **more)


def test_a_machine_that_slowed_is_said_with_its_interval() -> None:
    several = [in_turn(10, 1.3, deployment="serverless"), in_turn(50, 1.3, place=1), in_turn(90, 1.3, place=2)]
    several[2] = replace(several[2], deployment="container")
    (sentence,) = [s for s in findings.cold_start(several).reading if "machine" in s]
    assert re.search(r"the machine slowed by 3[0-4] % \(\d+–\d+ %\); the deployments were measured in turn", sentence)


def test_a_steady_machine_is_said_too_and_nothing_is_made_of_it() -> None:
    several = [in_turn(10, 1, deployment="serverless"), in_turn(50, 1, place=1)]
    (sentence,) = [s for s in findings.cold_start(several).reading if "machine" in s]
    assert "did not drift beyond the noise" in sentence


def test_one_that_drifts_alone_is_not_the_machine() -> None:
    several = [in_turn(10, 1, deployment="serverless"), in_turn(50, 1, deployment="container"), in_turn(90, 2.5)]
    said = " ".join(findings.cold_start(several).reading)
    assert re.search(r"VM-style process alone slowed by 1\d\d % .*that is not the machine's", said)


def test_a_single_deployment_cannot_tell_its_drift_from_the_machines() -> None:
    (sentence,) = [s for s in findings.cold_start(in_turn(50, 0.5)).reading if "its first sample" in s]
    assert "became faster by" in sentence
    assert "by itself or with the machine" in sentence


def test_a_run_of_schema_1_drifts_by_the_order_of_its_samples() -> None:
    timed = in_turn(50, 1.4)
    assert findings.cold_start(timed).reading == findings.cold_start(replace(timed, taken_s=())).reading


def test_requests_of_a_burst_say_nothing_of_a_drift() -> None:
    assert drifting.drift_of([replace(in_turn(50, 1.4), experiment="scaling", taken_s=())]) is None


def test_a_refused_winner_comes_with_what_it_would_take() -> None:
    found = findings.cold_start([cold("serverless", around(10, 2)), cold("container", around(10.5, 2))])
    (sentence,) = [s for s in found.reading if "would halve it" in s]
    assert re.search(r"the ratio of container to serverless is .*; about [\d,]+ more cold starts of each", sentence)
    apart = findings.cold_start([cold("serverless", around(10)), cold("container", around(52))])
    assert not any("halve" in s for s in apart.reading)


def test_too_few_samples_are_told_how_many_are_lacking() -> None:
    found = findings.cold_start([cold("serverless", (1.0, 1.0)), cold("container", (900.0, 901.0))])
    assert any("take 4 more" in sentence for sentence in found.reading)


@pytest.mark.parametrize(("count", "said"), [(3, 3), (10, 10), (11, 15), (97, 100), (101, 110), (1234, 1300)])
def test_advice_is_as_round_as_it_is_sure(count: int, said: int) -> None:
    assert advising.about(count) == said


def test_every_experiment_says_what_its_samples_are() -> None:
    timed = cold("vm", (1.0,))
    assert kind_of(timed) == kind_of(replace(timed, experiment="cold_start_by_memory")) == "repeated"
    assert kind_of(replace(timed, experiment="scaling")) == "together"
    assert kind_of(replace(timed, experiment="isolation")) == "together"
    assert kind_of(replace(timed, experiment="sustainable_rate")) == "steps"
    assert kind_of(replace(timed, experiment="nobody knows it")) == "steps"
    assert kind_of(replace(timed, provenance=Provenance("modelled", "x"))) == "modelled"


def test_a_drift_goes_by_the_times_where_they_are_known() -> None:
    late = replace(
        in_turn(50, 1), samples=(1.0,) * 6 + (2.0,) * 6, taken_s=(0, 1, 2, 3, 4, 5, 600, 601, 602, 603, 604, 605)
    )
    assert drifting.drift_of([late]) == drift([late.samples], [late.taken_s])
    assert drifting.drift_of([late]) != drifting.drift_of([replace(late, taken_s=())])
