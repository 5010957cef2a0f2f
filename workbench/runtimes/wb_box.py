"""Builds the box of one instance out of kernel namespaces, in a process that the zygote has forked for it.

Two more processes take part, both forks of the zygote (`wb_zygote.py`). The *middle* one gives up root's identity if it
has it, enters new namespaces as any unprivileged user may, and ends. The *inner* one is PID 1 of them: it mounts what
every instance sees, and waits for an order. With that it shows the code, gives up every capability, enters its control
groups, and either goes on as the runtime that it was forked with or becomes another program. When the middle one ends,
the zygote becomes the inner one's parent. Nothing of an instance is needed before the order, so that a box can be built
ahead of it (`wb_forks.py`).

All this happens in the zygote's own root, which is the instances' root file system with the machine's files below
/run/workbench. What is bound is bound from there: a mount namespace made by a less privileged user may not uncover what
is mounted over a directory, so a copy of "/" without its mounts is refused to it. The code is found by the zygote, who
may pass closed directories on the way to it, and comes into the box as a mount without a place (open_tree(2)).

A snapshot's instance gets its box from here too (`nested`), in namespaces below those of its template. That takes new
user namespaces, which the filter of system calls refuses: so it is not loaded in a template, only in what is forked.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import resource
import shutil
import socket
import time

import wb_ends  # type: ignore[import-not-found]
import wb_kernel  # type: ignore[import-not-found]

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

HOST = "/run/workbench"
"""Where the machine's own root is, in the zygote; no instance sees it."""
RUNTIME_API_PORT = 9001
"""Where the Runtime API is, on the loopback interface of every box, as in AWS's environment."""

_DEVICES = ("null", "zero", "full", "random", "urandom")
_PRIVATE = wb_kernel.NOSUID | wb_kernel.NODEV


def enter_root(root: str) -> None:
    """Make `root` this process's root, with the machine's below `HOST`; for the zygote, once, before it is one."""
    namespaces, become_root = wb_kernel.NEWNS, os.geteuid() == 0 and wb_kernel.can_become(1)
    if not become_root:
        namespaces |= wb_kernel.NEWUSER
    wb_kernel.at("entering a mount namespace as root" if become_root else "entering a user namespace")
    uid, gid = os.geteuid(), os.getegid()
    wb_kernel.unshare(namespaces)
    if not become_root:
        wb_kernel.map_user(uid, uid, gid, gid)
    # What the machine mounts or unmounts later is seen here; nothing that happens here is seen there.
    wb_kernel.at("making mounts private")
    wb_kernel.mount(None, "/", wb_kernel.REC | wb_kernel.SLAVE)
    wb_kernel.at("mounting the root file system")
    wb_kernel.bind(root, root)
    os.chdir(root)
    wb_kernel.at("changing the root")
    wb_kernel.pivot(".", HOST.lstrip("/"))
    os.chdir("/")
    wb_kernel.at("mounting /proc")
    wb_kernel.mount(f"{HOST}/proc", "/proc", wb_kernel.BIND | wb_kernel.REC)
    if not become_root:
        wb_kernel.keep_privilege()


def take_tree(source: str, target: str) -> int:
    """A descriptor of the machine's directory `source`, to be shown at `target`; done by the zygote for its forks."""
    wb_kernel.at(wb_ends.step_of(target))
    return int(wb_kernel.take_tree(HOST + source))


def middle(root: str, uid: int, inside_uid: int, ends: wb_ends.Ends) -> None:
    """Enter the namespaces and start the first process in them; returns in that one alone.

    `uid` is whom root becomes for it, `inside_uid` how the user is seen inside.
    """
    shown = False
    if os.geteuid() == 0 and wb_kernel.can_become(uid):
        # Root's own mount namespace first: only root may pass the closed directories on the way to what is shown.
        wb_kernel.at("entering a mount namespace as root")
        wb_kernel.unshare(wb_kernel.NEWNS)
        _show_root(root)
        shown = True
        wb_kernel.become(uid)
    _enter_namespaces(inside_uid)
    if not shown:
        _show_root(root)
    _start_first(ends)


def build(ends: wb_ends.Ends) -> None:
    """In the first process: build what every instance sees, and give up the machine's files."""
    _begin()
    _mount_inside()
    wb_kernel.at("changing the root")
    # The old root is stacked on the new one, and taken off: no directory is needed for it.
    wb_kernel.pivot(".", ".")
    wb_kernel.unmount(".")
    os.chdir("/")
    wb_kernel.at("limiting the process")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    wb_kernel.at("waiting for the zygote")
    ends.wait_for_parent()


def finish(order: dict[str, Any], ends: wb_ends.Ends) -> None:
    """Show what is the instance's own, and give up what could change it; then it is ready for its program."""
    ends.move()
    wb_kernel.set_host_name(order["hostname"])
    ends.show(order["binds"])
    _mount_private(order)
    os.chdir("/var/task")
    wb_kernel.at("limiting the process")
    if order["nproc"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (order["nproc"], order["nproc"]))
    wb_kernel.give_up_privileges()
    ends.enter_groups()
    wb_kernel.filter_calls(order["filter"])


def nested(ends: wb_ends.Ends) -> None:
    """The box of a snapshot's instance, in a fork of its template, as far as no order is needed for it."""
    _enter_namespaces(os.geteuid())
    _start_first(ends)
    _begin()
    wb_kernel.at("mounting /proc")
    wb_kernel.mount("proc", "/proc", _PRIVATE | wb_kernel.NOEXEC, "proc")
    wb_kernel.at("waiting for the template")
    ends.wait_for_parent()


def finish_nested(order: dict[str, Any], ends: wb_ends.Ends) -> None:
    """What `finish` does, where the template's files are shown already, and are copied in /tmp."""
    ends.take_over()
    wb_kernel.set_host_name(order["hostname"])
    ends.enter_groups()
    before = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
    _mount_private(order)
    wb_kernel.at("copying the snapshot's /tmp")
    _copy_tree(f"/proc/self/fd/{before}", "/tmp")
    os.close(before)
    wb_kernel.give_up_privileges()
    wb_kernel.filter_calls(order["filter"])


def execute(order: dict[str, Any], ends: wb_ends.Ends) -> None:
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
    wb_kernel.at("starting the program")
    ends.keep()
    os.execve(order["argv"][0], order["argv"], environment)


def _mark(name: str, port: int = 0) -> None:
    """Write a mark to the owner, with a listener on `port` of the loopback interface in here, if it is one."""
    wb_kernel.at(f"telling the owner {name}")
    message: dict[str, Any] = {"mark": name, "at_ns": time.monotonic_ns()}
    if name == "listener":
        message["port"] = port
    line = json.dumps(message).encode() + b"\n"
    if not port:
        os.write(wb_ends.CONTROL, line)
        return
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))
        control = socket.socket(fileno=wb_ends.CONTROL)
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


def _enter_namespaces(inside_uid: int) -> None:
    wb_kernel.at("entering a user namespace")
    uid, gid = os.geteuid(), os.getegid()
    k = wb_kernel
    k.unshare(k.NEWUSER | k.NEWNS | k.NEWPID | k.NEWIPC | k.NEWUTS | k.NEWNET)
    k.map_user(inside_uid, uid, inside_uid, gid)


def _start_first(ends: wb_ends.Ends) -> None:
    """Fork the first process of the new PID namespace; returns in that one alone."""
    wb_kernel.at("starting the first process")
    inner = os.fork()
    if inner != 0:
        ends.tell_parent(inner)
        os._exit(0)


def _begin() -> None:
    os.setsid()
    wb_kernel.bring_loopback_up()


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


def _show_root(root: str) -> None:
    """Put the read-only root file system on /tmp; that is the working directory then."""
    wb_kernel.at("mounting the root file system")
    wb_kernel.bind(HOST + root, "/tmp")
    os.chdir("/tmp")


def _mount_inside() -> None:
    # Mounted once more: pivot_root wants a mount point of its own namespace.
    wb_kernel.at("mounting the root file system for the instance")
    wb_kernel.mount(".", "/tmp", wb_kernel.BIND | wb_kernel.REC)
    os.chdir("/tmp")
    wb_kernel.at("mounting /dev")
    wb_kernel.mount("tmpfs", "dev", wb_kernel.NOSUID, "tmpfs", "size=64k,mode=755")
    for name in _DEVICES:
        os.close(os.open(f"dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        wb_kernel.mount(f"{HOST}/dev/{name}", f"dev/{name}", wb_kernel.BIND)
    for name, goal in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{goal}", f"dev/{name}")
    os.mkdir("dev/shm", 0o1777)
    wb_kernel.mount(None, "dev", wb_kernel.REMOUNT | wb_kernel.BIND | wb_kernel.RDONLY | wb_kernel.NOSUID)
    # Before the old root goes: the kernel allows a new /proc only where one is seen in full.
    wb_kernel.at("mounting /proc")
    wb_kernel.mount("proc", "proc", _PRIVATE | wb_kernel.NOEXEC, "proc")


def _mount_private(order: dict[str, Any]) -> None:
    for target, size in (("/tmp", order["tmp_mb"]), ("/dev/shm", order["shm_mb"])):
        wb_kernel.at(f"mounting {target}")
        wb_kernel.mount("tmpfs", target, _PRIVATE, "tmpfs", f"size={size}m,mode=1777")
