"""A Linux kernel for a virtual machine, and the modules without which it finds neither its disks nor its network.

The kernel is the distribution's; `capabilities.guest_kernels` says where it is looked for. Its modules are in a
directory `modules-VERSION` beside it, else in /lib/modules. A driver that is in neither is taken to be built in.
"""

from __future__ import annotations

import lzma
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench import capabilities
from workbench.errors import CapabilityMissing

_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console")
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


@dataclass(frozen=True)
class Kernel:
    """A kernel's file, its version, and the directory with its modules (None: all that it needs is built in)."""

    path: Path
    version: str
    modules: Path | None

    @property
    def stamp(self) -> str:
        """What tells it from another kernel, for the name of what is made for it."""
        state = self.path.stat()
        return f"{self.path} {state.st_size} {state.st_mtime_ns} {self.modules}"


def find() -> Kernel:
    """The kernel to boot; raises CapabilityMissing where there is none, or the one named cannot be read."""
    found = capabilities.guest_kernels()
    if not found:
        named = os.environ.get("WORKBENCH_GUEST_KERNEL")
        what = f"WORKBENCH_GUEST_KERNEL names {named}, which is no file that can be read" if named else "There is none"
        raise CapabilityMissing(f"A virtual machine needs a kernel. {what}", capabilities.QEMU_REMEDY)
    path = found[0]
    version = path.name.partition("-")[2] or platform.release()
    places = (path.with_name(f"modules-{version}"), Path("/lib/modules") / version)
    return Kernel(path, version, next((place for place in places if place.is_dir()), None))


def drivers(kernel: Kernel) -> Iterator[tuple[str, bytes]]:
    """The modules to load, each after those that it depends on, as name and content."""
    files = _files(kernel)
    loaded: dict[str, bytes] = {}
    for driver in _DRIVERS:
        _add(driver, files, loaded)
    yield from loaded.items()


def _files(kernel: Kernel) -> dict[str, Path]:
    if kernel.modules is None:
        return {}
    return {path.name.partition(".ko")[0].replace("-", "_"): path for path in kernel.modules.rglob("*.ko*")}


def _add(name: str, files: dict[str, Path], loaded: dict[str, bytes]) -> None:
    if name in loaded or name not in files:
        return
    content = _unpacked(files[name])
    depends = _DEPENDS.search(content)
    for needed in filter(None, (depends[1].decode() if depends else "").split(",")):
        _add(needed.replace("-", "_"), files, loaded)
    loaded[name] = content


def _unpacked(path: Path) -> bytes:
    """A module as the kernel takes it: distributions pack theirs in different ways."""
    if path.suffix == ".ko":
        return path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    program = {".zst": "zstd", ".gz": "gzip"}.get(path.suffix, "")
    if not program or shutil.which(program) is None:
        raise CapabilityMissing(
            f"The kernel module {path} is packed in a way that cannot be undone here", capabilities.QEMU_REMEDY
        )
    return subprocess.run([program, "-dc", str(path)], capture_output=True, check=True).stdout
