"""Builds the box of one instance out of kernel namespaces, in a process that the zygote has forked for it.

Two more processes take part, both forks of the zygote (`wb_zygote.py`). The *middle* one gives up root's identity if it
has it, enters new namespaces as any unprivileged user may, and ends. The *inner* one is PID 1 of them: it mounts what
the instance sees, gives up every capability, enters its control groups, and either goes on as the runtime that it was
forked with or becomes another program. When the middle one ends, the zygote becomes the inner one's parent.

All this happens in the zygote's own root, which is the instances' root file system with the machine's files below
/run/workbench. What is bound is bound from there: a mount namespace made by a less privileged user may not uncover what
is mounted over a directory, so a copy of "/" without its mounts is refused to it.

A snapshot's instance gets its box from here too (`nested`), in namespaces below those of its template. That takes new
user namespaces, which the filter of system calls refuses: so it is not loaded in a template, only in what is forked.

Longer than other files: what keeps an instance in is best read in one place, in the order in which it is done.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import time

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HOST = "/run/workbench"
"""Where the machine's own root is, in the zygote; no instance sees it."""
CONTROL = 3
"""The inside's end of the control channel, in every box."""
RUNTIME_API_PORT = 9001
"""Where the Runtime API is, on the loopback interface of every box, as in AWS's environment."""

# <linux/sched.h>
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
# <sys/mount.h>
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _SLAVE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 19
_DETACH = 2
# <linux/prctl.h>
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS, _SUBREAPER, _CAP_AMBIENT, _AMBIENT_CLEAR = 1, 4, 24, 38, 36, 47, 4
_SET_SECCOMP, _FILTER_MODE = 22, 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_DEVICES = ("null", "zero", "full", "random", "urandom")

_libc = ctypes.CDLL(None, use_errno=True)
with open("/proc/sys/kernel/cap_last_cap", "rb") as _file:
    _LAST_CAPABILITY = int(_file.read())
_step = "starting"


def enter_root(root: str) -> None:
    """Make `root` this process's root, with the machine's below `HOST`; for the zygote, once, before it is one."""
    namespaces, become_root = NEWNS, os.geteuid() == 0 and _can_become(1)
    if not become_root:
        namespaces |= NEWUSER
    _at("entering a mount namespace as root" if become_root else "entering a user namespace")
    uid, gid = os.geteuid(), os.getegid()
    unshare(namespaces)
    if not become_root:
        _map_user(uid, uid, gid, gid)
    # What the machine mounts or unmounts later is seen here; nothing that happens here is seen there.
    _at("making mounts private")
    _mount(None, "/", _REC | _SLAVE)
    _at("mounting the root file system")
    _bind(root, root)
    os.chdir(root)
    _at("changing the root")
    _pivot(".", HOST.lstrip("/"))
    os.chdir("/")
    _at("mounting /proc")
    _mount(f"{HOST}/proc", "/proc", _BIND | _REC)


def become_subreaper() -> None:
    """Make this process the parent of what its children leave behind."""
    _prctl(_SUBREAPER, 1)


class Ends:
    """The descriptors of one fork: `control`, `output`, `setup`, `told`, `alive`, and what else its order came with.

    `http` is a listening socket, `template` the orders of a template, `groupN` files by which a control group is
    entered.
    """

    def __init__(self, numbers: dict[str, int]) -> None:
        self.setup, self.control = numbers["setup"], numbers["control"]
        self._numbers = numbers

    def move(self) -> None:
        """Give each its place, and close every other descriptor there is, whosever it is."""
        numbers = self._numbers
        # First out of the way of one another: a copy never lands on what is still needed.
        moved = {name: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for name, number in numbers.items()}
        places = {"output": 1, "control": CONTROL}
        places.update({name: CONTROL + 1 + at for at, name in enumerate(sorted(set(moved) - set(places)))})
        for name, number in moved.items():
            os.dup2(number, places[name], inheritable=name == "output")
        os.dup2(1, 2)
        os.closerange(CONTROL + len(places) - 1, 1 << 20)
        self._numbers = places
        self.setup, self.control = places["setup"], CONTROL

    def take_over(self) -> None:
        """Give the output and the control channel their places, in a process that has other descriptors to keep."""
        for name, places in (("output", (1, 2)), ("control", (CONTROL,))):
            number = self._numbers[name]
            for place in places:
                os.dup2(number, place, inheritable=name == "output")
            os.close(number)
        self._numbers.update(output=1, control=CONTROL)
        self.control = CONTROL

    def wait_for_parent(self) -> None:
        """Have the kernel end this process with its parent, once that is the one which reaps it."""
        told, alive = self._numbers.pop("told"), self._numbers.pop("alive")
        # Only then, as the signal comes at the end of whoever is the parent: the middle process has to be gone before.
        if os.read(told, 1) != b"!":
            os._exit(0)  # the zygote is gone
        _prctl(_PDEATHSIG, signal.SIGKILL)
        if select.select([alive], [], [], 0)[0]:
            os._exit(0)
        os.close(told)
        os.close(alive)

    def tell_parent(self, pid: int) -> None:
        """Tell who reaps it the pid of the inner process."""
        os.write(self._numbers["told"], b"%d" % pid)

    def enter_groups(self) -> None:
        """Enter the control groups whose files the owner has opened.

        A thread that moves itself ("0") through v1's `tasks` needs no lock over all processes of the machine, which
        costs a grace period of several milliseconds; see cgroup_procs_write_start() in Linux, kernel/cgroup/cgroup.c.
        """
        for name in [name for name in self._numbers if name.startswith("group")]:
            number = self._numbers.pop(name)
            os.write(number, b"0")
            os.close(number)

    def receive(self) -> dict[str, str]:
        """The instance's variables: they come on its own channel, and never through who it is forked from."""
        data = b""
        while not data.endswith(b"\n"):
            more = os.read(self.setup, 65536)
            if not more:
                os._exit(0)  # the owner is gone
            data += more
        received: dict[str, str] = json.loads(data)
        return received

    def environment(self) -> dict[str, str]:
        """The variables by which a program finds those that are for it."""
        found = {"WORKBENCH_CONTROL_FD": str(CONTROL)}
        for name, variable in (("http", "WORKBENCH_LISTEN_FD"), ("template", "WORKBENCH_TEMPLATE_FD")):
            if name in self._numbers:
                found[variable] = str(self._numbers[name])
        return found

    def keep(self) -> None:
        """Let what is for the program stay open when it is started."""
        for number in self.environment().values():
            os.set_inheritable(int(number), True)

    def close(self) -> None:
        """Close what was for building the box; the owner sees by it that it is built."""
        os.close(self._numbers.pop("setup"))


def guarded(ends: Ends, action: Callable[[], None]) -> None:
    """Do `action`; where it fails, tell the owner at which step, and end."""
    try:
        action()
        return
    except OSError as error:
        answer = {"failed": _step, "errno": error.errno or 0, "detail": str(error)}
    except BaseException as error:
        answer = {"failed": _step, "errno": 0, "detail": repr(error)}
    try:
        os.write(ends.setup, json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(126)


def middle(order: dict[str, Any], ends: Ends) -> None:
    """Enter the namespaces and start the first process in them; returns in that one alone."""
    shown = False
    if os.geteuid() == 0 and _can_become(order["uid"]):
        # Root's own mount namespace first: only root may pass the closed directories on the way to what is shown.
        _at("entering a mount namespace as root")
        unshare(NEWNS)
        _show(order)
        shown = True
        _become(order["uid"])
    _enter_namespaces(order)
    if not shown:
        _show(order)
    _start_first(ends)


def nested(order: dict[str, Any], ends: Ends) -> None:
    """The box of a snapshot's instance, in a fork of its template: it has the template's files, and its own /tmp."""
    _enter_namespaces(order)
    _start_first(ends)
    _begin(order, ends)
    ends.enter_groups()
    _at("mounting /tmp")
    before = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
    _mount("tmpfs", "/tmp", _NOSUID | _NODEV, "tmpfs", f"size={order['tmp_mb']}m,mode=1777")
    _at("copying the snapshot's /tmp")
    _copy_tree(f"/proc/self/fd/{before}", "/tmp")
    os.close(before)
    _mount("tmpfs", "/dev/shm", _NOSUID | _NODEV, "tmpfs", f"size={order['shm_mb']}m,mode=1777")
    _at("mounting /proc")
    _mount("proc", "/proc", _NOSUID | _NODEV | _NOEXEC, "proc")
    give_up_privileges()
    _at("waiting for the template")
    ends.wait_for_parent()
    _filter(order["filter"])


def inner(order: dict[str, Any], ends: Ends) -> None:
    """Build what the instance sees, and give up what could change it; then it is ready for the instance's program."""
    _begin(order, ends)
    _mount_inside(order)
    _at("changing the root")
    # The old root is stacked on the new one, and taken off: no directory is needed for it.
    _pivot(".", ".")
    _check(_libc.umount2(b".", _DETACH))
    os.chdir("/")
    _at("limiting the process")
    os.umask(0o022)
    os.chdir("/var/task")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if order["nproc"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (order["nproc"], order["nproc"]))
    give_up_privileges()
    _at("waiting for the zygote")
    ends.wait_for_parent()
    _at("entering the control groups")
    ends.enter_groups()
    _filter(order["filter"])


def execute(order: dict[str, Any], ends: Ends) -> None:
    """Become the instance's program, a new one; the end of the set-up channel says so to the owner."""
    environment = {**order["environment"], **ends.environment()}
    if order["prepare"]:  # for a host that is not in Python, as `other_host.py` does elsewhere
        if "WORKBENCH_LISTEN_FD" in environment:
            _mark("sandbox_ready")
        else:
            _mark("sandbox_ready", RUNTIME_API_PORT)
            environment["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{RUNTIME_API_PORT}"
        for port in json.loads(environment.pop("WORKBENCH_PORTS", "[]")):
            _mark("listener", port)
        for name in ("WORKBENCH_OPT", "WORKBENCH_WATCHED"):
            environment.pop(name, None)
    _at("starting the program")
    ends.keep()
    os.execve(order["argv"][0], order["argv"], environment)


def _mark(name: str, port: int = 0) -> None:
    """Write a mark to the owner, with a listener on `port` of the loopback interface in here, if it is one."""
    _at(f"telling the owner {name}")
    message: dict[str, Any] = {"mark": name, "at_ns": time.monotonic_ns()}
    if name == "listener":
        message["port"] = port
    line = json.dumps(message).encode() + b"\n"
    if not port:
        os.write(CONTROL, line)
        return
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))
        control = socket.socket(fileno=CONTROL)
        try:
            control.sendmsg([line], [rights])
        finally:
            control.detach()


def show_name(name: str) -> None:
    """Write the instance's name where /proc/PID/environ shows it: a fork's own variables are not seen there."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, fields 50 and 51 of proc_pid_stat(5)
    before, found, rest = ctypes.string_at(start, end - start).partition(b"WORKBENCH_INSTANCE=")
    value, _, after = rest.partition(b"\0")
    # All to the end where it is the last variable, as the zygote has seen to.
    room = len(value) if after.strip(b"\0") else len(rest) - 1
    if found and len(name.encode()) <= room:
        ctypes.memmove(start + len(before) + len(found), name.encode().ljust(room, b"\0"), room)


def give_up_privileges() -> None:
    """Drop every capability for good, from every set."""
    _at("giving up capabilities")
    for capability in range(_LAST_CAPABILITY + 1):
        _prctl(_CAPBSET_DROP, capability)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR)
    header = struct.pack("Ii", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)))
    _prctl(_NO_NEW_PRIVS, 1)


def unshare(flags: int) -> None:
    """Enter new namespaces; raises OSError."""
    _check(_libc.unshare(flags))


def _filter(program: str) -> None:
    """Load a seccomp program (in hexadecimal; none if empty), which holds for this process and all that it starts."""
    if not program:
        return
    _at("filtering system calls")
    code = bytes.fromhex(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    loaded = _Program(len(code) // 8, ctypes.addressof(buffer))
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), ctypes.byref(loaded), zero, zero))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))  # struct sock_fprog of <linux/filter.h>


def _enter_namespaces(order: dict[str, Any]) -> None:
    _at("entering a user namespace")
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | NEWNET)
    _map_user(order["inside_uid"], uid, order["inside_uid"], gid)


def _start_first(ends: Ends) -> None:
    """Fork the first process of the new PID namespace; returns in that one alone."""
    _at("starting the first process")
    inner = os.fork()
    if inner != 0:
        ends.tell_parent(inner)
        os._exit(0)


def _begin(order: dict[str, Any], ends: Ends) -> None:
    os.write(ends.setup, b'{"built": false}\n')  # the owner learns this process's number by the kernel's word
    os.setsid()
    _at("setting the host name")
    name = order["hostname"].encode()
    _check(_libc.sethostname(name, len(name)))
    _bring_loopback_up()


def _copy_tree(source: str, target: str) -> None:
    """Copy files, directories and links with their modes and times; anything else (sockets, pipes) has no content."""
    for entry in os.scandir(source):
        goal = f"{target}/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), goal)
        elif entry.is_dir():
            os.mkdir(goal)
            _copy_tree(entry.path, goal)
            shutil.copystat(entry.path, goal)
        elif entry.is_file():
            shutil.copy2(entry.path, goal)


def _map_user(inside_uid: int, uid: int, inside_gid: int, gid: int) -> None:
    _at("mapping the user")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside_uid} {uid} 1")
    _write("/proc/self/gid_map", f"{inside_gid} {gid} 1")


def _show(order: dict[str, Any]) -> None:
    """Put the read-only root file system, and what belongs into it, on /tmp; that is the working directory then."""
    _at("mounting the root file system")
    _bind(HOST + order["root"], "/tmp")
    os.chdir("/tmp")
    for source, target in order["binds"]:
        _at("mounting the code" if target == "var/task" else f"mounting /{target}")
        _bind(HOST + source, target)


def _mount_inside(order: dict[str, Any]) -> None:
    # Mounted once more: pivot_root wants a mount point of its own namespace.
    _at("mounting the root file system for the instance")
    _mount(".", "/tmp", _BIND | _REC)
    os.chdir("/tmp")
    _at("mounting /tmp")
    _mount("tmpfs", "tmp", _NOSUID | _NODEV, "tmpfs", f"size={order['tmp_mb']}m,mode=1777")
    _at("mounting /dev")
    _mount("tmpfs", "dev", _NOSUID, "tmpfs", "size=64k,mode=755")
    for name in _DEVICES:
        os.close(os.open(f"dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        _mount(f"{HOST}/dev/{name}", f"dev/{name}", _BIND)
    for name, goal in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{goal}", f"dev/{name}")
    os.mkdir("dev/shm", 0o1777)
    _mount("tmpfs", "dev/shm", _NOSUID | _NODEV, "tmpfs", f"size={order['shm_mb']}m,mode=1777")
    _mount(None, "dev", _REMOUNT | _BIND | _RDONLY | _NOSUID)
    # Before the old root goes: the kernel allows a new /proc only where one is seen in full.
    _at("mounting /proc")
    _mount("proc", "proc", _NOSUID | _NODEV | _NOEXEC, "proc")


def _bring_loopback_up() -> None:
    _at("bringing the loopback interface up")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        fcntl.ioctl(plain, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _pivot(new: str, old: str) -> None:
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root has no known number on this machine")
    _check(_libc.syscall(number, new.encode(), old.encode()))


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


def _bind(source: str, target: str) -> None:
    # What the source's own mount forbids must be kept, or the kernel refuses the change.
    _mount(source, target, _BIND)
    kept = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC)
    _mount(None, target, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | kept)


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), data))


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
