"""The qemu sandbox: a virtual machine of its own for one instance, with a kernel of its own.

The disks are the root file system of all sandboxes, the package, and what the language needs, all read-only; /tmp is in
the guest's memory. Memory and processors are the machine's size: what is not there cannot be used, so no limit of this
machine's kernel is needed, and a share of a processor is rounded up to a whole one. No root is needed either.

Where KVM runs a guest the processor runs it itself; elsewhere QEMU emulates one (TCG), and the label says so.

A machine can also be restored (`launch_template`): one is started, its function loaded, its memory and the state of its
devices written to files; others go on from there, with that memory mapped so that what they write stays their own. What
was drawn at random before is then the same in all of them, as it is in forks (see `runtimes/wb_template.py`). The
kernel is given new random numbers (`runtimes/vm_renew.py`), a generator inside the service is not.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from workbench.errors import DeploymentError
from workbench.isolation import channel, keeper, languages, rootfs
from workbench.isolation.machine import guest_boot, guest_disks, guest_kernel, qemu_accelerator, qemu_command
from workbench.isolation.machine.qemu_command import CHANNELS, Memory
from workbench.isolation.machine.qemu_machine import Machine
from workbench.isolation.machine.qemu_monitor import Monitor
from workbench.isolation.machine.qemu_relay import Relay
from workbench.sandbox import SandboxSpec, Technique
from workbench.session import VARIABLE, session_dir, session_id

NAME = "qemu"
TECHNIQUES = frozenset({Technique.SPAWN, Technique.SNAPSHOT})
_MEMORY_FILE, _STATE_FILE = "memory", "state"
_RENEW = "vm_renew.py"


@contextlib.contextmanager
def hold() -> Iterator[None]:
    """Make the root disk now, so that no instance's cold start waits for it."""
    guest_disks.kept(rootfs.root_fs())
    yield


def kind() -> str:
    """What its sandboxes are called here: `qemu-kvm` or `qemu-tcg`.

    Raises CapabilityMissing where a part is not here, or where WORKBENCH_ACCELERATOR names one that runs no guest.
    """
    guest_disks.program("mke2fs", "e2fsprogs")
    guest_boot.busybox()
    guest_kernel.find()
    qemu_accelerator.program()
    return f"{NAME}-{_accelerator()}"


def launch(spec: SandboxSpec) -> Machine:
    """Start `spec.entry` in a machine of its own.

    Raises CapabilityMissing without QEMU, a kernel, mke2fs or busybox, DeploymentError when a step fails.
    """
    return _start(spec, Memory())


def launch_template(spec: SandboxSpec) -> QemuTemplate:
    """Start a machine for others to be restored from. Raises what `launch` raises."""
    _check(spec)
    home = _home(spec)
    try:
        return QemuTemplate(spec, _start(spec, Memory(home / _MEMORY_FILE, shared=True), home), home)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


class QemuTemplate:
    """A machine whose function has been loaded, as files; `launch` restores another from them."""

    def __init__(self, spec: SandboxSpec, machine: Machine, home: Path) -> None:
        self._spec, self.machine, self._home = spec, machine, home
        self._saved = False

    def save(self) -> None:
        """Write the machine's state and end it; it must have said `function_ready`. Raises DeploymentError."""
        state = self._home / _STATE_FILE
        monitor = self.machine.monitor
        monitor.command("stop")
        _ignore_shared(monitor)
        monitor.command("migrate", uri=f"exec:cat >'{state}'")
        monitor.wait_for_migration()
        self._saved = True
        self.machine.kill()

    def launch(self, spec: SandboxSpec) -> Machine:
        """A machine of that name that goes on where this one was saved; raises DeploymentError."""
        if not self._saved:
            raise DeploymentError(f"The machine {self._spec.name} has not been saved yet, so none can be restored.")
        spec = replace(self._spec, name=spec.name)
        return _start(spec, Memory(self._home / _MEMORY_FILE), state=self._home / _STATE_FILE, disks=self._home)

    def close(self) -> None:
        """End the machine, and remove its files."""
        self.machine.close()
        shutil.rmtree(self._home, ignore_errors=True)


def _ignore_shared(monitor: Monitor) -> None:
    """Leave memory that lies in a file where it is: only the devices' state is carried over."""
    capability = {"capability": "x-ignore-shared", "state": True}
    monitor.command("migrate-set-capabilities", capabilities=[capability])


def _accelerator() -> str:
    return qemu_accelerator.choose(os.environ.get("WORKBENCH_ACCELERATOR", "auto"))


def _check(spec: SandboxSpec) -> None:
    channel.check(spec)
    if spec.entry != channel.HTTP_ENTRY:
        raise DeploymentError(
            "A virtual machine hosts a long-running server here, not a serverless function; choose another sandbox."
        )


def _home(spec: SandboxSpec) -> Path:
    home = session_dir() / spec.name
    try:
        home.mkdir(mode=0o700)
    except FileExistsError as error:
        raise DeploymentError(f"There is an instance {spec.name} already; choose another name.") from error
    return home


def _start(
    spec: SandboxSpec,
    memory: Memory,
    home: Path | None = None,
    *,
    state: Path | None = None,
    disks: Path | None = None,
) -> Machine:
    launched_ns = time.monotonic_ns()
    _check(spec)
    accelerator = _accelerator()
    keeper.keep(spec.name)
    with contextlib.ExitStack() as undo, contextlib.ExitStack() as passed:
        undo.callback(keeper.forget, spec.name)
        home = home or _home(spec)
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        mounts = _mounts(spec)
        if disks is None:
            disks = home
            _write_disks(spec, home, list(mounts), to_be_saved=memory.shared)
        ours, theirs = {}, {}
        for name in CHANNELS:
            ours[name], theirs[name] = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            undo.callback(ours[name].close)
            passed.callback(theirs[name].close)
        line = qemu_command.command(
            spec.name,
            accelerator,
            spec.resources,
            memory,
            guest_kernel.find().path,
            disks / "initramfs",
            [guest_disks.kept(rootfs.root_fs()), *(_disk_of(place, path, disks) for place, path in mounts.items())],
            {name: end.fileno() for name, end in theirs.items()},
            restored=state is not None,
        )
        inside, outside = channel.control_pair()
        undo.callback(inside.close)
        relay = Relay(spec.name, ours["control"], ours["console"], outside, theirs["output"].dup())
        relay.start()
        # Before our ends are closed: a thread that waits for a descriptor which is closed waits for ever.
        undo.callback(relay.join)
        process = _run(spec, line, [end.fileno() for end in theirs.values()])
        undo.callback(process.wait)
        undo.callback(process.kill)
        monitor = Monitor(ours["monitor"])
        passed.close()  # QEMU alone holds its ends now: they close with it
        try:
            _power_on(monitor, relay, state)
            address = f"http://127.0.0.1:{monitor.forwarded_port()}"
        except DeploymentError as error:
            raise _explained(error, spec, process) from error
        ours["output"].setblocking(False)
        undo.pop_all()
    return Machine(spec, process, monitor, relay, inside, ours["output"], address, home, launched_ns, accelerator)


def _power_on(monitor: Monitor, relay: Relay, state: Path | None) -> None:
    monitor.greet()
    relay.mark("vmm")
    if state is not None:
        _ignore_shared(monitor)
        monitor.command("migrate-incoming", uri=f"exec:cat '{state}'")
        monitor.wait_for_migration()
    monitor.command("cont")
    if state is not None:
        if not relay.renew(secrets.token_hex(32)):
            raise DeploymentError("The restored machine did not take new random numbers.")
        # What was done before the machine was saved is not done again, and takes no time.
        for name in ("sandbox_ready", "runtime_ready", "function_ready"):
            relay.mark(name)


def _run(spec: SandboxSpec, line: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "TMPDIR": str(session_dir()),
        VARIABLE: session_id(),
        "WORKBENCH_INSTANCE": spec.name,
    }
    try:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise DeploymentError(f"The virtual machine of instance {spec.name} could not be started: {error}.") from error


def _explained(error: DeploymentError, spec: SandboxSpec, process: subprocess.Popen[bytes]) -> DeploymentError:
    """The error with QEMU's own words, if it had any."""
    process.kill()
    process.wait()
    words = ""
    if process.stderr is not None:
        with process.stderr:
            words = process.stderr.read().decode(errors="replace").strip()
    said = words.splitlines()[-1] if words else str(error)
    return DeploymentError(f"The virtual machine of instance {spec.name} did not start: {said[:400]}")


def _mounts(spec: SandboxSpec) -> Mapping[str, Path]:
    """What is mounted where in the guest, beside the root file system."""
    shown = {"var/task": spec.code}
    tree = languages.tree(spec.language)
    if tree is not None:
        shown["var/lang"] = tree
    if spec.opt is not None:
        shown["opt"] = spec.opt
    return shown


def _disk_of(place: str, path: Path, disks: Path) -> Path:
    """The disk for what is mounted at `place`; a language's tree is one of a few, and kept."""
    return guest_disks.kept(path) if place == "var/lang" else disks / f"{place.replace('/', '-')}.ext4"


def _write_disks(spec: SandboxSpec, home: Path, places: list[str], *, to_be_saved: bool) -> None:
    for place, path in _mounts(spec).items():
        if place != "var/lang":
            guest_disks.make(path, _disk_of(place, path, home))
    environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
    environment |= {
        "WORKBENCH_CONTROL_FD": str(guest_boot.CONTROL_FD),
        "WORKBENCH_WATCHED": "1",  # the machine's first process sees the owner's end close
        "WORKBENCH_LISTEN_PORT": str(qemu_command.PORT),
    }
    argv = languages.prepared(spec, interpreter=rootfs.interpreter(), runtime_dir="/var/runtime")
    renewing = (rootfs.interpreter(), *languages.PYTHON_OPTIONS, f"/var/runtime/{_RENEW}") if to_be_saved else ()
    order = guest_boot.Order(
        spec.name[:63], places, spec.resources.tmp_mb, spec.pids_limit, environment, argv, renewing
    )
    try:
        guest_boot.write(home / "initramfs", order)
    except OSError as error:
        raise DeploymentError(
            f"What the virtual machine of {spec.name} boots from could not be written ({error}). Make room in {home}."
        ) from error
