"""The machine, as QEMU's command line: its size, its disks, one network that leads nowhere, and four channels out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.isolation.machine import qemu_accelerator
from workbench.service import Resources

PORT = 8080
"""Where the instance listens inside."""

CHANNELS = ("control", "output", "console", "monitor")
_APPEND = "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable no_timer_check random.trust_cpu=on"


@dataclass(frozen=True)
class Memory:
    """Where the guest's memory lies: in QEMU alone, or in `file`, to be written back (`shared`) or only read from."""

    file: Path | None = None
    shared: bool = False


def vcpus(resources: Resources) -> int:
    """Whole processors: a machine has no fraction of one."""
    return max(1, math.ceil(resources.vcpus))


def command(
    name: str,
    accelerator: str,
    resources: Resources,
    memory: Memory,
    kernel: Path,
    initramfs: Path,
    disks: Sequence[Path],
    channels: Mapping[str, int],
    *,
    restored: bool = False,
) -> list[str]:
    """QEMU's command line; `channels` are the descriptors of `CHANNELS`. It waits to be told to run."""
    backing = "memory-backend-ram,id=ram"
    if memory.file is not None:
        backing = (
            f"memory-backend-file,id=ram,mem-path={_escaped(memory.file)},share={'on' if memory.shared else 'off'}"
        )
    line = [
        *(str(qemu_accelerator.program()), "-name", name, "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-S", *qemu_accelerator.options(accelerator)),
        *("-object", f"{backing},size={resources.memory_mb}M", "-machine", "pc,memory-backend=ram"),
        *("-m", f"{resources.memory_mb}M", "-smp", str(vcpus(resources))),
        *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", _APPEND),
        *(part for number, disk in enumerate(disks) for part in _disk(number, disk)),
        # Nothing gets out; what comes in comes through a port of 127.0.0.1 that QEMU chooses.
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:{PORT}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *(part for channel in CHANNELS for part in ("-chardev", f"socket,id={channel},fd={channels[channel]}")),
        *("-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=control,nr=1", "-device", "virtserialport,chardev=output,nr=2"),
        *("-serial", "chardev:console", "-mon", "chardev=monitor,mode=control"),
    ]
    return [*line, "-incoming", "defer"] if restored else line


def _disk(number: int, path: Path) -> list[str]:
    return [
        *("-drive", f"file={_escaped(path)},format=raw,if=none,readonly=on,id=disk{number}"),
        *("-device", f"virtio-blk-pci,drive=disk{number}"),
    ]


def _escaped(path: Path) -> str:
    # A comma in a path would begin another option; QEMU takes two for one.
    return str(path).replace(",", ",,")
