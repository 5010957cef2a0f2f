"""The kernel's calls that a box is built with, as the C library has them; each raises OSError.

`at` notes which step of building is under way, for who has to say what has failed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

# <linux/sched.h>
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
# <sys/mount.h>
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, SLAVE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 19
_DETACH = 2
# <linux/mount.h>; the numbers of the two calls are the same on every machine (since Linux 5.2).
_OPEN_TREE, _MOVE_MOUNT, _AT_FDCWD, _TREE_CLONE, _FROM_DESCRIPTOR = 428, 429, -100, 1, 4
# <linux/prctl.h>
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS, _SUBREAPER, _CAP_AMBIENT = 1, 4, 24, 38, 36, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR = 2, 4
_CAPABILITIES_3, _SYS_ADMIN = 0x20080522, 21  # <linux/capability.h>
_SET_SECCOMP, _FILTER_MODE = 22, 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)
with open("/proc/sys/kernel/cap_last_cap", "rb") as _file:
    _LAST_CAPABILITY = int(_file.read())
_step = "starting"


def at(step: str) -> None:
    """Begin a step."""
    global _step
    _step = step


def failure(error: BaseException) -> dict[str, Any]:
    """What the owner is told (`isolation.zygote.refusal`) when the step that was begun last ended with `error`."""
    if isinstance(error, OSError):
        return {"failed": _step, "errno": error.errno or 0, "detail": str(error)}
    return {"failed": _step, "errno": 0, "detail": repr(error)}


def unshare(flags: int) -> None:
    """Enter new namespaces."""
    _check(_libc.unshare(flags))


def become_subreaper() -> None:
    """Make this process the parent of what its children leave behind."""
    _prctl(_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """Have the kernel send signal `number` when the parent ends."""
    _prctl(_PDEATHSIG, number)


def map_user(inside_uid: int, uid: int, inside_gid: int, gid: int) -> None:
    """Give the one user and group of a new user namespace their numbers in it."""
    at("mapping the user")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside_uid} {uid} 1")
    _write("/proc/self/gid_map", f"{inside_gid} {gid} 1")


def can_become(uid: int) -> bool:
    """Whether root may: that of a user namespace without this user is as unprivileged as one can be already."""

    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    ranges = [line.split() for line in read("/proc/self/uid_map").splitlines()]
    known = any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)
    return known and read("/proc/self/setgroups").strip() == b"allow"


def become(uid: int) -> None:
    """Change to user and group `uid` for good."""
    at("becoming an unprivileged user")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _prctl(_DUMPABLE, 1)  # else this process may not write its own user map


def give_up_privileges() -> None:
    """Drop every capability for good, from every set."""
    at("giving up capabilities")
    for capability in range(_LAST_CAPABILITY + 1):
        _prctl(_CAPBSET_DROP, capability)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR)
    _check(_libc.capset(struct.pack("Ii", _CAPABILITIES_3, 0), bytes(24)))
    _prctl(_NO_NEW_PRIVS, 1)


def keep_privilege() -> None:
    """Let the program that this process becomes mount in this user namespace, whoever its user is."""
    at("keeping the right to mount")
    header, held = struct.pack("Ii", _CAPABILITIES_3, 0), ctypes.create_string_buffer(24)
    _check(_libc.capget(header, held))
    effective, permitted, inheritable, *rest = struct.unpack("6I", held.raw)
    _check(_libc.capset(header, struct.pack("6I", effective, permitted, inheritable | 1 << _SYS_ADMIN, *rest)))
    _prctl(_CAP_AMBIENT, _AMBIENT_RAISE, _SYS_ADMIN)


def filter_calls(program: str) -> None:
    """Load a seccomp program (in hexadecimal; none if empty), which holds for this process and all that it starts."""
    if not program:
        return
    at("filtering system calls")
    code = bytes.fromhex(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    loaded = _Program(len(code) // 8, ctypes.addressof(buffer))
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), ctypes.byref(loaded), zero, zero))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))  # struct sock_fprog of <linux/filter.h>


def mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    """mount(2)."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), data))


def bind(source: str, target: str) -> None:
    """Show `source` read-only at `target`."""
    mount(source, target, BIND)
    _make_read_only(target)


def take_tree(source: str) -> int:
    """A descriptor of what is mounted at `source`, which `show_tree` mounts in another mount namespace."""
    number = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _TREE_CLONE | os.O_CLOEXEC)
    if number < 0:
        _check(number)
    return int(number)


def show_tree(number: int, target: str) -> None:
    """Show read-only at `target` what `take_tree` took."""
    _check(_libc.syscall(_MOVE_MOUNT, number, b"", _AT_FDCWD, target.encode(), _FROM_DESCRIPTOR))
    _make_read_only(target)


def _make_read_only(target: str) -> None:
    # What the source's own mount forbids must be kept, or the kernel refuses the change.
    kept = os.statvfs(target).f_flag & (NOSUID | NODEV | NOEXEC)
    mount(None, target, REMOUNT | BIND | RDONLY | NOSUID | NODEV | kept)


def unmount(target: str) -> None:
    """Take the topmost mount off `target`, used or not."""
    _check(_libc.umount2(target.encode(), _DETACH))


def pivot(new: str, old: str) -> None:
    """Make `new` the root, with the one before at `old`."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root has no known number on this machine")
    _check(_libc.syscall(number, new.encode(), old.encode()))


def set_host_name(name: str) -> None:
    """sethostname(2)."""
    at("setting the host name")
    _check(_libc.sethostname(name.encode(), len(name.encode())))


def bring_loopback_up() -> None:
    """Make 127.0.0.1 usable in a new network namespace."""
    at("bringing the loopback interface up")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        fcntl.ioctl(plain, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _prctl(option: int, value: int, more: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), zero, zero))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    # Without the codec machinery: a module loaded only now may lie where this user cannot read.
    number = os.open(path, os.O_WRONLY)
    os.write(number, text.encode())
    os.close(number)
