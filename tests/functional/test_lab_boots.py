"""A boot as lab 01 shows it, of a real virtual machine."""

from __future__ import annotations

import pytest

from tests.needs import needs
from workbench.labs import STEPS, boots, longest
from workbench.labs.cleanup import settled
from workbench.samples import PAYLOADS, sample
from workbench.service import Resources

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.timeout(600)]


@needs("qemu")
@pytest.mark.timeout(180)
def test_the_steps_of_a_boot_add_up_to_its_answer_and_nothing_is_left() -> None:
    booted = boots(sample("pricing", Resources(memory_mb=256)), PAYLOADS["pricing"])
    assert booted.provenance.kind == "measured"
    assert booted.sandbox in ("qemu-kvm", "qemu-tcg")
    (steps,) = booted.detail["steps"]
    assert tuple(steps) == STEPS
    assert sum(steps.values()) == pytest.approx(booted.samples[0])
    assert longest(booted) in STEPS
    assert settled().nothing
