"""A session is alive as long as its owner is, whatever else changes on the machine."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from workbench.session import is_alive, session_id

NAMED = "from workbench.session import session_id; print(session_id(), flush=True); input()"


def test_it_lives_until_its_owner_ends() -> None:
    waits = [sys.executable, "-c", NAMED]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        assert is_alive(name)
        owner.communicate("\n")
        assert not is_alive(name)


def test_another_process_with_the_number_of_its_owner_is_not_it() -> None:
    pid, started, place = session_id().split("-")
    assert is_alive(f"{pid}-{started}-{place}")
    assert not is_alive(f"{pid}-{int(started) - 1}-{place}")


def test_a_clock_that_was_set_ends_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a virtual machine does that was paused, and a laptop that finds a time server: the boot seems to have been
    # at another time, and with it the start of every process.
    name = session_id()
    before = psutil.boot_time()
    for module in (psutil, getattr(psutil, "_psplatform", psutil)):
        monkeypatch.setattr(module, "boot_time", lambda: before + 1)
    assert is_alive(name)
