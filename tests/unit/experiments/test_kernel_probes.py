"""Whose kernel, clock, /proc, devices and calls: judged from what an instance and the machine say."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.experiments import kernel_probes
from workbench.experiments.kernel_probes import Seen

HERE: dict[str, Any] = {
    "kernel": "Linux 6.1",
    "version": "#1 SMP",
    "boot_id": "boot-a",
    "since_boot_s": 5000.0,
    "memory_kb": "8000 kB",
    "load": "0.50 0.40 0.30",
    "uptime_s": 5000.0,
    "cpus": 4,
    "cpu_model": "Test CPU",
    "command_line": "quiet",
    "mounted_from": [],
    "other_cgroups": 0,
}
ELSEWHERE = {
    **HERE, "boot_id": "boot-b", "since_boot_s": 3.0, "memory_kb": "640 kB", "load": "0.01 0.00 0.00", "uptime_s": 3.0,
    "command_line": "console=ttyS0",
}  # fmt: skip
ALLOWED, REFUSED = {"allowed": True, "seen": "done"}, {"allowed": False, "seen": "Operation not permitted"}


def seen(victim: dict[str, Any], neighbour: dict[str, Any] | None = None) -> Seen:
    return Seen(victim, neighbour if neighbour is not None else victim, HERE, {**HERE, "since_boot_s": 5000.1})


OWN = seen(ELSEWHERE, {**ELSEWHERE, "boot_id": "boot-c"})
SHARED = seen(HERE)


def test_only_a_kernel_of_its_own_counts() -> None:
    assert kernel_probes.kernel(OWN)[0] is True
    assert kernel_probes.kernel(SHARED) == (False, "runs on this machine's kernel, Linux 6.1")
    beside = kernel_probes.kernel(seen(ELSEWHERE))
    assert beside[0] is False
    assert "as its neighbour does" in beside[1]
    assert kernel_probes.kernel(seen({**HERE, "kernel": ""}))[0] is None


def test_a_kernel_without_an_identity_is_told_by_its_name_and_build() -> None:
    nameless = {**ELSEWHERE, "boot_id": ""}
    assert kernel_probes.kernel(seen(nameless))[0] is False
    assert kernel_probes.kernel(seen({**nameless, "kernel": "Linux 4.4.0"}))[0] is True


def test_setting_the_clock_of_ones_own_kernel_sets_nobody_elses() -> None:
    assert kernel_probes.clock(SHARED, ALLOWED)[0] is False
    assert kernel_probes.clock(OWN, ALLOWED)[0] is True
    assert kernel_probes.clock(SHARED, REFUSED)[0] is True
    assert kernel_probes.clock(SHARED, {"allowed": None, "seen": "not known here"})[0] is None


def test_the_same_time_since_boot_is_this_machines() -> None:
    assert kernel_probes.since_boot(SHARED)[0] is False
    assert kernel_probes.since_boot(OWN)[0] is True
    assert kernel_probes.since_boot(seen({**HERE, "since_boot_s": None}))[0] is None


def test_proc_tells_of_the_machine_what_is_equal_there() -> None:
    held, said = kernel_probes.proc(SHARED)
    assert held is False
    for word in ("memory", "load", "up", "4 processors", "command line"):
        assert word in said
    assert kernel_probes.proc(OWN)[0] is True
    assert kernel_probes.proc(seen({**ELSEWHERE, "mounted_from": ["/usr/bin"]}))[0] is False
    assert "the control groups of 7 other" in kernel_probes.proc(seen({**ELSEWHERE, "other_cgroups": 7}))[1]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"names": ["null"], "opened": [], "made": REFUSED}, True),
        ({"names": ["null", "sda"], "opened": ["sda"], "made": REFUSED}, False),
        ({"names": ["null"], "opened": [], "made": ALLOWED}, False),
    ],
)
def test_devices_that_open_or_can_be_made_are_a_way_out(found: dict[str, Any], expected: bool) -> None:
    assert kernel_probes.devices(SHARED, found)[0] is expected
    assert kernel_probes.devices(OWN, found)[0] is True


def test_calls_are_held_when_all_are_refused_or_only_its_own_kernel_allows_them() -> None:
    machine = "0 0 4294967295"
    answer = {"calls": {"mount": ALLOWED, "bpf": REFUSED}, "uid_map": machine}
    held, said = kernel_probes.calls(SHARED, answer)
    assert held is False
    assert said == "1 of 2 were allowed: mount"
    assert kernel_probes.calls(OWN, answer)[0] is True
    assert kernel_probes.calls(SHARED, {"calls": {"bpf": REFUSED}, "uid_map": machine})[0] is True
    assert kernel_probes.calls(SHARED, {"calls": {}, "uid_map": machine})[0] is None


def test_being_root_counts_only_where_it_is_this_machines_root() -> None:
    root = {"become root": ALLOWED}
    assert kernel_probes.calls(SHARED, {"calls": root, "uid_map": "0 0 4294967295"})[0] is False
    assert kernel_probes.calls(SHARED, {"calls": root, "uid_map": "0 1000 1"})[0] is True


def test_this_machine_is_asked_with_the_probes_own_code() -> None:
    here = kernel_probes.this_machine()
    assert set(here) == set(HERE)
    assert kernel_probes.kernel(Seen(here, here, here, here))[0] is False
