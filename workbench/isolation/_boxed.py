"""Run in a new process: builds the box of one instance out of kernel namespaces, and starts the runtime as its PID 1.

Three processes take part. The *outer* one (this file's `main`) stays in the host's namespaces; it ends with the
instance and passes its exit status on, and ends the instance when its owner is gone. The *middle* one gives up root's
identity if it has it, enters new namespaces as any unprivileged user may, and ends. The *inner* one is PID 1 of them:
it mounts what the instance sees, gives up every capability, waits until its limits are set, and becomes the
interpreter.

The owner and this file talk over one socket, whose number is the only argument, in JSON lines: the specification comes
in, `{"pid": host pid of the inner process}` goes out, `go` comes in when the limits are set, and end of file means that
the interpreter runs. `{"failed": step, "errno": number}` says where it ended instead.

It imports little, because every import is part of a cold start; no library but Python's and no privileged helper.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TextIO

# <linux/sched.h>
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
# <sys/mount.h>
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
# <linux/prctl.h>
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS, _SUBREAPER, _CAP_AMBIENT, _AMBIENT_CLEAR = 1, 4, 24, 38, 36, 47, 4
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_DEVICES = ("null", "zero", "full", "random", "urandom")

_libc = ctypes.CDLL(None, use_errno=True)
_step = "starting"


def main() -> NoReturn:
    """Build the box, then wait for its end; never returns."""
    setup = socket.socket(fileno=int(sys.argv[1]))
    setup.set_inheritable(False)
    channel = setup.makefile("r", encoding="utf-8", newline="\n")
    spec = json.loads(channel.readline())
    # Held open by this process alone: its end tells the inner one that this one is gone.
    alive_read, alive_write = os.pipe()
    told_read, told_write = os.pipe()
    _prctl(_SUBREAPER, 1)  # the inner process becomes our child when the middle one ends
    middle = os.fork()
    if middle == 0:
        os.close(alive_write)
        _guarded(setup, lambda: _middle(spec, setup, channel, alive_read, told_write))
    os.close(alive_read)
    os.close(told_write)
    if os.waitpid(middle, 0)[1] != 0:
        os._exit(1)  # it has said why
    os.write(alive_write, b"!")
    inner = int(os.read(told_read, 32))
    channel.close()
    setup.close()
    for number in spec["inherit"]:
        if number != spec["control"]:
            os.close(number)
    _end_as(_watch(inner, spec["control"]))


def _guarded(setup: socket.socket, action: Callable[[], NoReturn]) -> NoReturn:
    """Run `action`, which does not return unless it fails; tell the owner at which step, and end."""
    try:
        action()
    except OSError as error:
        answer = {"failed": _step, "errno": error.errno or 0}
    except BaseException as error:
        answer = {"failed": _step, "errno": 0, "detail": repr(error)}
    try:
        setup.sendall(json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(126)


def _middle(spec: dict[str, Any], setup: socket.socket, channel: TextIO, alive: int, told: int) -> NoReturn:
    shown = False
    if os.geteuid() == 0 and _can_become(spec["uid"]):
        # Root's own mount namespace first: only root may pass the closed directories on the way to what is shown.
        _at("entering a mount namespace as root")
        _unshare(_NEWNS)
        _show(spec)
        shown = True
        _become(spec["uid"])
    _at("entering a user namespace")
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWIPC | _NEWUTS | _NEWNET)
    _at("mapping the user")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{spec['inside_uid']} {uid} 1")
    _write("/proc/self/gid_map", f"{spec['inside_uid']} {gid} 1")
    if not shown:
        _show(spec)
    _at("starting the first process")
    inner = os.fork()
    if inner == 0:
        _guarded(setup, lambda: _inner(spec, setup, channel, alive))
    os.write(told, b"%d" % inner)
    setup.sendall(b'{"pid": %d}\n' % inner)
    os._exit(0)


def _inner(spec: dict[str, Any], setup: socket.socket, channel: TextIO, alive: int) -> NoReturn:
    os.setsid()
    _at("setting the host name")
    name = spec["hostname"].encode()
    _check(_libc.sethostname(name, len(name)))
    _at("bringing the loopback interface up")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        fcntl.ioctl(plain, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    _mount_inside(spec)
    _enter()
    _at("limiting the process")
    os.umask(0o022)
    os.chdir("/var/task")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if spec["nproc"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (spec["nproc"], spec["nproc"]))
    _give_up_privileges()
    _at("waiting for the limits")
    if channel.readline() != "go\n":
        os._exit(0)  # the owner is gone
    # Only now, as this signal comes at the end of whoever is the parent: the middle process has to be gone before.
    os.read(alive, 1)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    if select.select([alive], [], [], 0)[0]:
        os._exit(0)
    _at("starting the interpreter")
    for number in spec["inherit"]:
        os.set_inheritable(number, True)
    os.execve(spec["argv"][0], spec["argv"], spec["environment"])


def _show(spec: dict[str, Any]) -> None:
    """Put the read-only root file system and the code into it; the working directory is then this tree."""
    _at("making mounts private")
    _mount(None, "/", _REC | _PRIVATE)
    # Opened first: what is mounted next may lie above the other.
    root = os.open(spec["root"], os.O_PATH | os.O_DIRECTORY)
    code = os.open(spec["code"], os.O_PATH | os.O_DIRECTORY)
    _at("mounting the root file system")
    _bind(f"/proc/self/fd/{root}", spec["root"])
    os.chdir(spec["root"])
    _at("mounting the code")
    _bind(f"/proc/self/fd/{code}", "var/task")
    os.close(root)
    os.close(code)


def _mount_inside(spec: dict[str, Any]) -> None:
    # Mounted once more at a place that this user can reach: pivot_root wants a mount point of its own namespace.
    _at("mounting the root file system for the instance")
    _mount(".", "/tmp", _BIND | _REC)
    os.chdir("/tmp")
    _at("mounting /tmp")
    _mount("tmpfs", "tmp", _NOSUID | _NODEV, "tmpfs", f"size={spec['tmp_mb']}m,mode=1777")
    _at("mounting /dev")
    _mount("tmpfs", "dev", _NOSUID, "tmpfs", "size=64k,mode=755")
    for name in _DEVICES:
        os.close(os.open(f"dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        _mount(f"/dev/{name}", f"dev/{name}", _BIND)
    for name, goal in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{goal}", f"dev/{name}")
    os.mkdir("dev/shm", 0o1777)
    _mount("tmpfs", "dev/shm", _NOSUID | _NODEV, "tmpfs", f"size={spec['shm_mb']}m,mode=1777")
    _mount(None, "dev", _REMOUNT | _BIND | _RDONLY | _NOSUID)
    # Before the old root goes: the kernel allows a new /proc only where one is seen in full.
    _at("mounting /proc")
    _mount("proc", "proc", _NOSUID | _NODEV | _NOEXEC, "proc")


def _enter() -> None:
    _at("changing the root")
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root has no known number on this machine")
    # The old root is stacked on the new one, and taken off: no directory is needed for it.
    _check(_libc.syscall(number, b".", b"."))
    _check(_libc.umount2(b".", _DETACH))
    os.chdir("/")


def _give_up_privileges() -> None:
    _at("giving up capabilities")
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _prctl(_CAPBSET_DROP, capability)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR)
    header = struct.pack("Ii", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)))
    _prctl(_NO_NEW_PRIVS, 1)


def _can_become(uid: int) -> bool:
    # The root of a user namespace without that user (a rootless container) is as unprivileged as one can be already.
    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    ranges = [line.split() for line in read("/proc/self/uid_map").splitlines()]
    known = any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)
    return known and read("/proc/self/setgroups").strip() == b"allow"


def _become(uid: int) -> None:
    _at("becoming an unprivileged user")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _prctl(_DUMPABLE, 1)  # else this process may not write its own user map


def _watch(inner: int, control: int) -> int:
    """The wait status of the inner process; it is ended first when the owner's end of the control channel closes."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    poll.register(control, select.POLLRDHUP)
    while True:
        pid, status = os.waitpid(inner, os.WNOHANG)
        if pid:
            return status
        for number, _ in poll.poll():
            if number == control:
                poll.unregister(control)
                os.kill(inner, signal.SIGKILL)
            else:
                os.read(read_end, 512)


def _end_as(status: int) -> NoReturn:
    """End the way the inner process did."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _bind(source: str, target: str) -> None:
    # What the source's own mount forbids must be kept, or the kernel refuses the change.
    _mount(source, target, _BIND)
    kept = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC)
    _mount(None, target, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | kept)


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), data))


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags))


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    # Without the codec machinery: a module loaded only now may lie where this user cannot read.
    number = os.open(path, os.O_WRONLY)
    os.write(number, text.encode())
    os.close(number)


def _at(step: str) -> None:
    global _step
    _step = step


if __name__ == "__main__":
    main()
