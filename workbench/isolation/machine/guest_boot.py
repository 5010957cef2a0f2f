"""What a virtual machine boots from: an initramfs with busybox, the drivers and `guest_init.sh`, and its order.

The first part is the same for all machines of a kernel and is kept in `cache_dir()`; the order, a few kilobytes that
say what to mount and what to start, follows it in the same file: the kernel takes several archives one after another.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.isolation.machine import guest_kernel
from workbench.isolation.machine.guest_kernel import Kernel
from workbench.isolation.machine.initramfs import Initramfs
from workbench.isolation.published import stamp
from workbench.session import cache_dir, unfinished_prefix

CONTROL_FD = 8
"""The descriptor under which the instance finds its control channel; `guest_init.sh` opens it."""

UID = 1000
_INIT = Path(__file__).with_name("guest_init.sh")
_DISKS = "abcdefgh"
_BUSYBOX_REMEDY = "apt-get install busybox-static"
_APPLETS = (
    *("sh", "[", "echo", "ls", "usleep", "env", "mount", "insmod", "mknod", "mkdir", "ln", "cp", "hostname", "ip"),
    *("chroot", "poweroff"),
)
_ALONE = ("-p", "/run/none")
"""Names a file that is not there, or it would start nothing beside another process of the same interpreter."""
_DYNAMIC = b"/ld-linux"
"""In a program that asks for a loader, near its beginning: such a busybox does not run by itself."""


@dataclass(frozen=True)
class Order:
    """What differs from machine to machine. `mounts`: where each disk after the first goes, below the root."""

    host: str
    mounts: Sequence[str]
    tmp_mb: int
    pids: int
    environment: Mapping[str, str]
    argv: Sequence[str]
    renewing: Sequence[str] = ()  # in a machine to be saved: what gives the kernel new random numbers

    def script(self) -> str:
        """As the shell commands that `guest_init.sh` reads."""
        disks = [f"/dev/vd{letter}" for letter in _DISKS[: len(self.mounts) + 1]]
        mount = [
            f'mount -t ext4 -o ro,noatime,nodev,nosuid {disk} /system/{place} || say "failed {place}"'
            for disk, place in zip(disks[1:], self.mounts, strict=True)
        ]
        program, *arguments = self.argv
        waiting = shlex.join(("chroot", "/system", *self.renewing)) if self.renewing else "while read -r _; do :; done"
        start = [
            *("env", "-i", *(f"{name}={value}" for name, value in self.environment.items())),
            *(
                "chroot",
                "/system",
                "/run/busybox",
                "setpriv",
                "--nnp",
                "/run/busybox",
                "start-stop-daemon",
                "-S",
                "-q",
                *_ALONE,
            ),
            *("-c", f"{UID}:{UID}", "-x", program, "--", *arguments),
        ]
        return "\n".join(
            [
                f"HOST={shlex.quote(self.host)} TMP_MB={self.tmp_mb} PIDS={self.pids} LAST_DISK={disks[-1]}",
                "mount_disks() {",
                *(f"    {line}" for line in mount or [":"]),
                "}",
                "wait_for_the_owner() {",
                f"    {waiting}",
                "}",
                "start_instance() {",
                f"    {shlex.join(start)}",
                "}",
                "",
            ]
        )


def write(path: Path, order: Order) -> None:
    """Write the initramfs of one machine.

    Raises CapabilityMissing without a kernel or busybox, OSError on a full disk.
    """
    shutil.copyfile(_common(guest_kernel.find()), path)
    with path.open("ab") as file:
        file.write(b"\0" * (-file.tell() % 512))
    with Initramfs(path, append=True) as archive:
        archive.text("/order.sh", order.script())


@functools.cache
def _common(kernel: Kernel) -> Path:
    program = busybox()
    made_of = f"{kernel.stamp} {stamp(program)} {_INIT.read_text(encoding='utf-8')}"
    target = cache_dir() / f"initramfs-{hashlib.sha256(made_of.encode()).hexdigest()[:20]}"
    if not target.exists():
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=unfinished_prefix())
        os.close(handle)
        try:
            _write_common(Path(name), program, kernel)
            os.chmod(name, 0o644)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)
    return target


def _write_common(path: Path, program: Path, kernel: Kernel) -> None:
    with Initramfs(path) as archive:
        for name in ("proc", "dev", "system", "sys"):
            archive.directory(name)
        archive.data("/bin/busybox", program.read_bytes(), 0o755)
        for name in _APPLETS:
            archive.link(f"/bin/{name}", "busybox")
        modules = list(guest_kernel.drivers(kernel))
        for name, content in modules:
            archive.data(f"/modules/{name}.ko", content)
        names = " ".join(f"{name}.ko" for name, _ in modules)
        archive.text("/init", _INIT.read_text(encoding="utf-8").replace("$MODULES", names), 0o755)


def busybox() -> Path:
    """A busybox that needs no library; raises CapabilityMissing without one."""
    for name in ("busybox-static", "busybox"):
        found = shutil.which(name)
        if found and _DYNAMIC not in Path(found).read_bytes()[:4096]:
            return Path(found)
    raise CapabilityMissing("A busybox that runs by itself is not installed (busybox-static)", _BUSYBOX_REMEDY)
