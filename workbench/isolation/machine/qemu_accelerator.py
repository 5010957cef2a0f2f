"""What runs a guest's instructions: KVM where a guest really runs under it, else QEMU's own emulation (TCG).

That /dev/kvm can be opened says little: on some machines a guest under it ends at once, or never says a word. So the
kernel is booted under it until its first process speaks, once for a machine, a kernel and a QEMU, and that is kept.
"""

from __future__ import annotations

import functools
import hashlib
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.isolation.machine import guest_boot, guest_disks, guest_kernel
from workbench.isolation.published import stamp
from workbench.session import VARIABLE, cache_dir, session_id

QEMU = "qemu-system-x86_64"
CHOICES = ("kvm", "tcg")
ABOUT = {
    "kvm": "the processor runs the guest itself",
    "tcg": "the processor is emulated: its phases can be compared with one another, its milliseconds with nothing else",
}
_WITHIN_S = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def program() -> Path:
    """QEMU; raises CapabilityMissing where it is not installed."""
    return Path(guest_disks.program(QEMU, "qemu-system-x86"))


def options(accelerator: str) -> list[str]:
    """QEMU's options for it."""
    return ["-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max"]


def choose(wanted: str = "auto") -> str:
    """`kvm` where a guest runs under it, else `tcg`; raises CapabilityMissing where what is wanted runs none."""
    if wanted == "tcg":
        return wanted
    refused = why_not_kvm()
    if wanted == "kvm" and refused:
        raise CapabilityMissing(
            f"No guest runs under KVM here: {refused}",
            "Use a machine with hardware virtualisation and be in the group kvm, or leave the choice to the workbench.",
        )
    return "tcg" if refused else "kvm"


@functools.cache
def why_not_kvm() -> str:
    """Empty when a guest really ran under KVM, else what came of the attempt."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no /dev/kvm that may be opened"
    kernel = guest_kernel.find()
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    tried = hashlib.sha256(f"{boot} {kernel.stamp} {stamp(program())}".encode()).hexdigest()[:20]
    answer = cache_dir() / f"kvm-{tried}"
    if not answer.exists():
        found = _try()
        answer.write_text(found, encoding="utf-8")
    return answer.read_text(encoding="utf-8")


def _try() -> str:
    with tempfile.TemporaryDirectory(prefix="workbench-kvm-") as place:
        initramfs = Path(place) / "initramfs"
        guest_boot.write(initramfs, guest_boot.Order("probe", (), 16, 16, {}, ("/bin/false",)))
        command = [
            *(str(program()), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
            *("-machine", "pc", *options("kvm"), "-m", "128", "-kernel", str(guest_kernel.find().path)),
            *("-initrd", str(initramfs), "-append", "console=ttyS0 quiet panic=-1", "-serial", "stdio"),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, VARIABLE: session_id()},
        )
        try:
            return _listen(process)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _listen(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    said, deadline = b"", time.monotonic() + _WITHIN_S
    while b"@workbench init" not in said:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return f"a guest said nothing within {_WITHIN_S:.0f} s"
        more = os.read(process.stdout.fileno(), 65536)
        if not more:
            lines = said.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
            return lines[0][:200]
        said += more
    return ""
