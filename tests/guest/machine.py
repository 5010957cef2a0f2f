"""Runs a kernel and an initramfs in QEMU, and reads what the guest says on its console.

KVM is taken where it runs this kernel, else QEMU emulates the processor (TCG), which every machine can. A guest has no
network and no disk; it ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.guest.inside import SAYS

PROJECT = Path(__file__).resolve().parents[2]
FETCHED = PROJECT / ".setup" / "kernel"
"""Where tools/system-packages unpacks a kernel, which it does not install."""

QEMU = "qemu-system-x86_64"

_ACCELERATORS = ("kvm", "tcg")
_PR_SET_PDEATHSIG = 1


@dataclass
class Ended:
    """What a guest said until its end: JSON objects in order, and the whole console."""

    accelerator: str
    said: list[dict[str, Any]] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    status: int | None = None


def find_kernel() -> Path | None:
    """A kernel that may be read: WORKBENCH_GUEST_KERNEL, the one that was fetched, or this machine's; None without."""
    named = os.environ.get("WORKBENCH_GUEST_KERNEL")
    if named:
        return Path(named)
    installed = sorted(Path("/boot").glob("vmlinuz-*"), key=lambda path: path.name != f"vmlinuz-{platform.release()}")
    for path in (*sorted(FETCHED.glob("vmlinuz-*"), reverse=True), *installed):
        if path.is_file() and os.access(path, os.R_OK):
            return path
    return None


def missing() -> str:
    """Why no guest can be run here; empty when one can."""
    if platform.machine() != "x86_64":
        return f"The guest is an x86-64 one, this machine is {platform.machine()}."
    if shutil.which(QEMU) is None:
        return "QEMU is not installed."
    if find_kernel() is None:
        return "There is no kernel for the guest: none was fetched, and none of /boot can be read."
    return ""


def run(kernel: Path, initramfs: Path, *, memory_mb: int, cpus: int, patience_s: float) -> Ended:
    """Run a guest until it powers off; one that has not after `patience_s` seconds is ended."""
    for accelerator in _ACCELERATORS:
        if accelerator == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            continue
        ended = Ended(accelerator)
        with _qemu(_command(kernel, initramfs, memory_mb, cpus, accelerator)) as process:
            _listen(process, ended, patience_s)
        if ended.said:  # a KVM that cannot run a guest ends before the guest's first word
            break
    return ended


def _command(kernel: Path, initramfs: Path, memory_mb: int, cpus: int, accelerator: str) -> list[str]:
    return [
        *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
        *("-machine", "pc", "-accel", accelerator, "-cpu", "max"),
        *("-m", str(memory_mb), "-smp", str(cpus), "-kernel", str(kernel), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 quiet panic=-1 reboot=t", "-serial", "stdio"),
    ]


@contextlib.contextmanager
def _qemu(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,  # the terminal's Ctrl-C is for the tests, which end it
        preexec_fn=_die_with_parent,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _listen(process: subprocess.Popen[bytes], ended: Ended, patience_s: float) -> None:
    timer = threading.Timer(patience_s, process.kill)  # which ends the loop below
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\r\n")
            ended.console.append(text)
            _, mark, words = text.partition(SAYS)
            if mark:
                with contextlib.suppress(ValueError):  # the kernel wrote into the middle of it: it shows in the console
                    ended.said.append(json.loads(words))
        ended.status = process.wait()
    finally:
        timer.cancel()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
