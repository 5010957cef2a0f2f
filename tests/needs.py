"""What a test needs of the machine: `@needs("docker")` skips it with the reason and the remedy where that is missing.

Where WORKBENCH_REQUIRE lists the part (`WORKBENCH_REQUIRE=docker,chromium make test`, as CI does), its absence is a
failure instead, so that a green run cannot hide a part that was never tried. A part is tried when the first test that
needs it is about to run, not at import.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests import unprivileged

NAMES = (
    "docker",
    "gvisor",
    "namespaces",
    "cgroups",
    "chromium",
    "unprivileged",
    "node",
    "java",
    "hey",
    "wrk",
    "qemu",
    "rabbitmq",
)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Missing:
    """Why a part is not here, and what would bring it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}".strip()


def needs(*names: str) -> pytest.MarkDecorator:
    """Mark a test, class or module (`pytestmark = needs("docker")`) as needing parts of the machine, of `NAMES`."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise ValueError(f"needs() knows {', '.join(NAMES)}; not {', '.join(sorted(unknown))}.")
    return pytest.mark.needs(*names)


def required() -> frozenset[str]:
    """The parts whose absence is a failure, from WORKBENCH_REQUIRE."""
    names = frozenset(name.strip() for name in os.environ.get("WORKBENCH_REQUIRE", "").split(",") if name.strip())
    if names - set(NAMES):
        raise pytest.UsageError(
            f"WORKBENCH_REQUIRE lists {', '.join(sorted(names - set(NAMES)))}; the parts are {', '.join(NAMES)}."
        )
    return names


def check(*names: str) -> None:
    """Skip the running test, or fail it where WORKBENCH_REQUIRE says so, unless every part named is here."""
    for name in names:
        missing = find(name)
        if missing is None:
            continue
        if name in required():
            pytest.fail(f"WORKBENCH_REQUIRE lists {name}, but: {missing}", pytrace=False)
        pytest.skip(f"needs {name}: {missing}")


@functools.cache
def find(name: str) -> Missing | None:
    """None when the part works here; what is missing otherwise. Found once in a test run."""
    if name in ("docker", "gvisor", "namespaces", "cgroups", "rabbitmq"):
        from workbench import capabilities  # here, so that tests of the lowest parts run while it is broken

        capability = getattr(capabilities.find(), name)
        return None if capability.available else Missing(capability.detail, capability.remedy)
    if name == "chromium":
        return None if browser_path() else Missing("No Chromium is installed.", "On Debian: apt-get install chromium")
    if name == "unprivileged":
        return _find_unprivileged()
    if name == "node":
        return (
            None if shutil.which("node") else Missing("Node.js is not installed.", "On Debian: apt-get install nodejs")
        )
    if name == "java":
        return (
            None
            if shutil.which("javac") and shutil.which("jlink")
            else Missing("No Java development kit is installed.", "On Debian: apt-get install default-jdk-headless")
        )
    if name in ("hey", "wrk"):
        return (
            None if shutil.which(name) else Missing(f"{name} is not installed.", f"On Debian: apt-get install {name}")
        )
    if name == "qemu":
        from tests.guest import machine

        reason = machine.missing()
        remedy = (
            "Run `make test` as root on Debian or Ubuntu, or install qemu-system-x86 and name a kernel that may be "
            "read: WORKBENCH_GUEST_KERNEL=/boot/vmlinuz-..."
        )
        return Missing(reason, remedy) if reason else None
    raise ValueError(f"There is no part {name!r}; the parts are {', '.join(NAMES)}.")


def browser_path() -> str:
    """The Chromium that browser tests drive; empty where there is none."""
    return next((path for path in map(shutil.which, _BROWSERS) if path), "")


def _find_unprivileged() -> Missing | None:
    remedy = "Run the tests as root on Linux."
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return Missing("Only root can become another user.", remedy)
    probe = unprivileged.command(sys.executable, "-c", "import os, workbench; print(os.getuid())")
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0 and done.stdout.strip() == str(unprivileged.UID):
        return None
    return Missing(f"Becoming another user failed: {done.stderr.strip() or done.stdout.strip()}.", remedy)
