"""The shared libraries that an interpreter needs, found by asking the system's loader."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import CapabilityMissing

_LINE = re.compile(r"^\s+(?:(\S+) => )?(/\S+) \(0x[0-9a-f]+\)$")
_PT_INTERP = 3


def closure(binaries: Iterable[Path]) -> dict[str, Path]:
    """Every shared library that `binaries` need, by file name; raises CapabilityMissing where there is no `ldd`.

    One that this machine lacks is left out: the extension module that needs it fails inside as it does outside.
    """
    ldd = shutil.which("ldd")
    if ldd is None:
        raise CapabilityMissing("There is no `ldd` on this machine", "Install it (Debian: apt-get install libc-bin).")
    done = subprocess.run([ldd, *map(str, binaries)], capture_output=True, text=True, check=False, timeout=120)
    found: dict[str, Path] = {}
    for line in done.stdout.splitlines():
        match = _LINE.match(line)
        if match:
            path = Path(match[2])
            found.setdefault(match[1].rpartition("/")[2] if match[1] else path.name, path)
    found.update(_name_services(found.values()))
    return found


def loader(binary: Path) -> str:
    """The path of the program loader that an ELF `binary` names; empty for a static one."""
    data = binary.read_bytes()
    if data[:4] != b"\x7fELF" or data[4] != 2:
        raise CapabilityMissing(f"{binary} is not a 64-bit ELF program", "Use a 64-bit CPython on Linux.")
    order = "<" if data[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}Q", data, 32)
    size, count = struct.unpack_from(f"{order}HH", data, 54)
    for index in range(count):
        at = table + index * size
        (kind,) = struct.unpack_from(f"{order}I", data, at)
        if kind == _PT_INTERP:
            (offset,) = struct.unpack_from(f"{order}Q", data, at + 8)
            (length,) = struct.unpack_from(f"{order}Q", data, at + 32)
            return data[offset : offset + length].rstrip(b"\0").decode()
    return ""


def _name_services(libraries: Iterable[Path]) -> dict[str, Path]:
    # The C library loads these by name when a host or user is looked up; no binary says that it needs them.
    places = {path.parent for path in libraries if path.name.startswith("libc.so")}
    return {path.name: path for place in places for path in place.glob("libnss_[fd]*.so.2")}
