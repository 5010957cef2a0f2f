#!/usr/local/bin/python3 -IS
"""The guest's first process: makes the machine usable, runs the programs of /order.json, and powers it off.

The order is `{"programs": [{"name", "argv", "environment", "directory"}]}`; the console tells when each has ended, and
how. Here stands only what a distribution's init does too: file systems, the loopback interface, a host name.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import traceback

_libc = ctypes.CDLL(None, use_errno=True)
_BIND, _MOVE = 4096, 8192
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_RESTART = 0x01234567  # <linux/reboot.h>
_MOUNTS = (
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("cgroup2", "/sys/fs/cgroup", "nsdelegate"),  # as systemd mounts it
)


def main() -> None:
    """Run everything, then end the machine, whatever happens."""
    try:
        prepare()
        with open("/order.json", encoding="utf-8") as file:
            order = json.load(file)
        say(up=os.uname().release)
        running = [(program["name"], start(**program)) for program in order["programs"]]
        for name, process in running:
            say(program=name, status=process.wait())
    except BaseException:
        say(failed=traceback.format_exc())
    finally:
        os.sync()
        _libc.reboot(_RESTART)  # QEMU, told not to reboot, ends with it


def prepare() -> None:
    """Mount what a Linux machine has, on a root that can be pivoted away from."""
    # The kernel refuses pivot_root from the very first root; a bind mount of it over itself can be left.
    os.makedirs("/root", exist_ok=True)
    mount("/", "/root", "", _BIND, "")
    os.chdir("/root")
    mount("/root", "/", "", _MOVE, "")
    os.chroot(".")
    os.chdir("/")
    for kind, where, options in _MOUNTS:
        os.makedirs(where, exist_ok=True)
        mount(kind, where, kind, 0, options)
    for name, goal in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        if not os.path.lexists(f"/dev/{name}"):
            os.symlink(goal, f"/dev/{name}")
    socket.sethostname("guest")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        fcntl.ioctl(plain, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def mount(source: str, where: str, kind: str, flags: int, options: str) -> None:
    """Mount; raises OSError with the place in it."""
    if _libc.mount(source.encode(), where.encode(), kind.encode(), flags, options.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind or source}: {os.strerror(number)}", where)


def start(name: str, argv: list[str], environment: dict[str, str], directory: str) -> subprocess.Popen[bytes]:
    """Start one program of the order; it writes to the console."""
    return subprocess.Popen(argv, env=environment, cwd=directory, stdin=subprocess.DEVNULL, start_new_session=True)


def say(**words: object) -> None:
    """One line for the machine outside."""
    with open("/dev/console", "w", encoding="utf-8") as console:
        console.write(f"\n@guest {json.dumps(words)}\n")


if __name__ == "__main__":
    main()
    sys.exit(1)
