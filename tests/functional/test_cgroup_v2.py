"""cgroup v2, which most users have and most test machines have not: tried for real, in a virtual machine.

One guest is booted for the module. It runs pytest on the sandboxes' own tests of what a group does and on
`tests/guest/on_v2.py`, as its root; each test that ran there is a test here, and fails with the guest's words.
"""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tests.guest import contents, machine
from tests.needs import needs

pytestmark = [needs("namespaces", "qemu"), pytest.mark.timeout(1200)]

_MEMORY_MB, _CPUS = 1280, 2
_PATIENCE_S = 900.0
"""How long the guest may take before it is ended: emulated on a slow machine, some ten times what it should."""

_CGROUPS, _ON_V2 = "tests/functional/test_cgroups.py", "tests/guest/on_v2.py"
_NAMESPACES, _SANDBOXES = "tests/functional/test_namespaces.py", "tests/functional/sandboxes/test_conformance.py"
# Of the sandboxes' own tests, what a group does and `on_v2.py` does not ask. What a box sees or answers is
# the same whichever version holds it; and here everything takes ten times as long.
_OF_NAMESPACES = [
    "test_a_fork_bomb_stops_at_the_limit",
    "test_only_the_limits_of_the_kernel_are_claimed",
    "test_an_unprivileged_owner_gets_the_same_box",
]
_OF_SANDBOXES = [
    "test_usage_never_decreases_and_counts_what_was_done",
    "test_closed_while_frozen",
    "test_nothing_outlives_an_owner_that_was_killed",
]
_OF_THE_SHARE = "test_cpu_time_stays_within_the_quota"
# Both run at the same time: most tests wait for a box whose share of a CPU is small.
_PROGRAMS = {
    "groups": [f"{_CGROUPS}::{_OF_THE_SHARE}", _ON_V2],
    "boxes": [
        _CGROUPS,
        f"--deselect={_CGROUPS}::{_OF_THE_SHARE}",
        *(f"{_NAMESPACES}::{name}" for name in _OF_NAMESPACES),
        *(f"{_SANDBOXES}::{name}" for name in _OF_SANDBOXES),
        # Of the conformance suite those of this sandbox; the others' names have a word in their file's.
        *("-k", "namespaces or cgroups", "-p", "tests.guest.whole_cpu"),
    ],
}


def _tests() -> list[str]:
    """What the guest runs, as `FILE::NAME`."""
    found = [f"{_NAMESPACES}::{name}" for name in _OF_NAMESPACES] + [f"{_SANDBOXES}::{name}" for name in _OF_SANDBOXES]
    for file in (_CGROUPS, _ON_V2):
        parsed = ast.parse((machine.PROJECT / file).read_text(encoding="utf-8"))
        names = (part.name for part in parsed.body if isinstance(part, ast.FunctionDef))
        found += [f"{file}::{name}" for name in names if name.startswith("test_")]
    return found


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> machine.Ended:
    """What the guest said, from its start to its end."""
    image = tmp_path_factory.mktemp("guest") / "initramfs"
    contents.write(image, [_pytest(name, selected) for name, selected in _PROGRAMS.items()])
    kernel = machine.find_kernel()
    assert kernel is not None
    ended = machine.run(kernel, image, memory_mb=_MEMORY_MB, cpus=_CPUS, patience_s=_PATIENCE_S)
    image.unlink()
    return ended


def _pytest(name: str, selected: list[str]) -> dict[str, Any]:
    options = f"-p tests.guest.reports -p no:cacheprovider -q --color=no -o timeout={_PATIENCE_S}".split()
    return {
        "name": name,
        "argv": ["/usr/local/bin/python3", "-m", "pytest", *options, *selected],
        "environment": contents.environment(WORKBENCH_REQUIRE="namespaces,cgroups"),
        "directory": "/project",
    }


def test_the_guest_ran_everything_to_the_end(guest: machine.Ended) -> None:
    ended = {words["program"]: words["status"] for words in guest.said if "program" in words}
    assert ended == dict.fromkeys(_PROGRAMS, 0), _tail(guest)


@pytest.mark.parametrize("test", _tests(), ids=lambda test: test.removeprefix("tests/"))
def test_in_the_guest(guest: machine.Ended, test: str) -> None:
    told = [words for words in guest.said if words.get("test", "").partition("[")[0] == test]
    assert told, f"The guest said nothing of {test}; it ended with:\n{_tail(guest)}"
    failed = [f"{words['test']}: {words['why']}" for words in told if words["outcome"] == "failed"]
    assert not failed, "In the guest, " + "\n".join(failed)
    skipped = [words["why"] for words in told if words["outcome"] == "skipped"]
    if skipped:
        # A part that the guest has not, such as Node.js; those that it is there for are required in it.
        assert all("needs " in why for why in skipped), f"The guest skipped {test}: {skipped}"
        if len(skipped) == len(told):
            pytest.skip(f"in the guest: {skipped[0]}")


def _tail(guest: machine.Ended) -> str:
    return "\n".join([f"({guest.accelerator}, exit status {guest.status})", *guest.console[-60:]])
