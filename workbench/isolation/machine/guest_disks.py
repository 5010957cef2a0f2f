"""What a virtual machine finds on its disks: directories made into read-only file systems, without root and mounts.

`mke2fs -d` (e2fsprogs) fills an ext4 file system from a directory. The large ones, the root file system and a
language's tree, are made once and kept in `cache_dir()`; the package's is made for each machine, as it is small.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.session import cache_dir, unfinished_prefix

_PLACES = ("/usr/sbin", "/sbin", "/usr/local/sbin")
_BLOCK = 4096
_SPARE = 1 << 20
"""Bytes for the file system's own books, beside an eighth of what it holds and what its inodes take."""


def program(name: str, package: str) -> str:
    """The path of a program of this machine; raises CapabilityMissing with the package that brings it."""
    path = os.environ.get("PATH", "")
    found = shutil.which(name, path=os.pathsep.join((path, *_PLACES)) if path else path)
    if found is None:
        raise CapabilityMissing(f"{name} is not installed, which a virtual machine needs", f"apt-get install {package}")
    return found


@functools.cache
def kept(directory: Path) -> Path:
    """A disk with what is in `directory`, whose name tells its content; made once. Raises what `make` raises."""
    disk = cache_dir() / f"disk-{directory.name}.ext4"
    if not disk.exists():
        handle, name = tempfile.mkstemp(dir=disk.parent, prefix=unfinished_prefix())
        os.close(handle)
        try:
            make(directory, Path(name))
            os.chmod(name, 0o644)
            os.replace(name, disk)  # two at a time make the same disk, and either may stand
        finally:
            Path(name).unlink(missing_ok=True)
    return disk


def make(directory: Path, disk: Path) -> None:
    """Write a disk with what is in `directory`; raises CapabilityMissing without mke2fs, DeploymentError on failure."""
    mke2fs = program("mke2fs", "e2fsprogs")
    size, inodes = _needed(directory)
    # No journal, no spare blocks: nothing is ever written to it.
    features = "^has_journal,^resize_inode,^metadata_csum"
    command = [mke2fs, "-q", "-F", "-t", "ext4", "-d", str(directory), "-O", features, "-m", "0", "-N", str(inodes)]
    disk.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, "-b", str(_BLOCK), str(disk), f"{-(-size // 1024)}k"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C", "MKE2FS_SYNC": "0"},
    )
    if done.returncode != 0:
        disk.unlink(missing_ok=True)
        said = done.stdout.decode(errors="replace").strip()[-400:]
        free_mb = shutil.disk_usage(disk.parent).free // 2**20
        raise DeploymentError(
            f"The disk of a virtual machine could not be made in {disk.parent}, which has {free_mb} MB left: {said}. "
            "Make room there, or name another place with XDG_CACHE_HOME or TMPDIR."
        )


def _needed(directory: Path) -> tuple[int, int]:
    """Bytes and inodes that a file system needs to hold the directory."""
    size, inodes = 0, 64
    for folder, inner, names in os.walk(directory):
        inodes += len(names) + len(inner)
        size += _BLOCK
        for name in names:
            size += -(-os.lstat(os.path.join(folder, name)).st_size // _BLOCK) * _BLOCK
    return size + size // 8 + inodes * 256 + _SPARE, inodes
