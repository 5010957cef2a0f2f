"""What this machine can do, found out by trying it, and how to get what it cannot.

Each probe is bounded in time, made once in a process, and leaves nothing behind.
"""

from __future__ import annotations

import functools
import os
import platform as platform_module
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from workbench.capabilities import runsc

_PATIENCE_S = 10
_PROGRAMS = Path(__file__).parent
_CGROUPS = Path("/sys/fs/cgroup")
QEMU_REMEDY = (
    "In the workbench's directory, on Debian or Ubuntu: tools/system-packages --for-vm. Elsewhere install QEMU, "
    "e2fsprogs and busybox-static, and name a kernel that may be read: WORKBENCH_GUEST_KERNEL=/boot/vmlinuz-..."
)
V1_CONTROLLERS = ("memory", "cpu", "pids", "freezer")


@dataclass(frozen=True)
class Capability:
    """One thing the machine can do or not: what was seen (`detail`), and what would bring it (`remedy`)."""

    name: str
    available: bool
    detail: str
    remedy: str = ""

    def __bool__(self) -> bool:
        return self.available


@dataclass(frozen=True)
class Capabilities:
    """All that was found; memory in MB (2**20 bytes). Prints as a table. `cgroup_version`: v2, v1 or none."""

    docker: Capability
    gvisor: Capability
    namespaces: Capability
    cgroups: Capability
    kvm: Capability
    qemu: Capability
    node: Capability
    java: Capability
    chromium: Capability
    rabbitmq: Capability
    cgroup_version: str
    memory_mb: int
    cores: int
    platform: str
    python: str

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [getattr(self, field.name) for field in fields(self)]
        lines = [f"{self.platform}; Python {self.python}; {self.cores} cores; {self.memory_mb:,} MB of memory", ""]
        for row in rows:
            if isinstance(row, Capability):
                lines.append(f"{'yes' if row.available else 'no':>3}  {row.name:<11} {row.detail}")
                if row.remedy and not row.available:
                    lines.append(f"{'':>17}→ {row.remedy}")
        return "\n".join(lines)


@functools.cache
def find() -> Capabilities:
    """Try everything, at once; about half a second the first time."""
    probes = (docker, gvisor, namespaces, cgroups, kvm, qemu, node, java, chromium, rabbitmq)
    with ThreadPoolExecutor(len(probes)) as pool:
        found = {capability.name: capability for capability in pool.map(lambda probe: probe(), probes)}
    return Capabilities(
        docker=found["docker"],
        gvisor=found["gvisor"],
        namespaces=found["namespaces"],
        cgroups=found["cgroups"],
        kvm=found["kvm"],
        qemu=found["qemu"],
        node=found["node"],
        java=found["java"],
        chromium=found["chromium"],
        rabbitmq=found["rabbitmq"],
        cgroup_version=_cgroup_version() if found["cgroups"] else "none",
        memory_mb=psutil.virtual_memory().total // 2**20,
        cores=_cores(),
        platform=f"{platform_module.system()} {platform_module.release()} {platform_module.machine()}",
        python=platform_module.python_version(),
    )


@functools.cache
def docker() -> Capability:
    """Docker Engine: it answers, and runs Linux containers."""
    remedy = (
        "Install Docker Engine or Docker Desktop, start it, and be allowed to use it "
        "(Debian: apt-get install docker.io; usermod -aG docker $USER; log in again)."
    )
    # Importing docker-py takes longer than all the other probes; not for a socket that is not there.
    if not os.environ.get("DOCKER_HOST") and sys.platform != "win32" and not Path("/var/run/docker.sock").exists():
        return Capability("docker", False, "No Docker Engine: /var/run/docker.sock does not exist.", remedy)
    try:
        import docker as sdk

        client = sdk.from_env(timeout=_PATIENCE_S)
        try:
            version = client.version()
        finally:
            client.close()
    except Exception as error:  # docker-py lets requests' and urllib3's errors through as well as its own
        return Capability("docker", False, f"Docker Engine does not answer: {_short(error)}.", remedy)
    if version.get("Os") != "linux":
        detail = f"Docker runs {version.get('Os')} containers."
        return Capability("docker", False, detail, "Switch Docker Desktop to Linux containers.")
    return Capability("docker", True, f"Docker Engine {version.get('Version', '?')} answers.")


@functools.cache
def gvisor() -> Capability:
    """gVisor: Docker Engine has it registered with what a sandbox needs, and its runsc ran a program."""
    if not docker():
        return Capability("gvisor", False, "It needs Docker Engine.", docker().remedy)
    try:
        import docker as sdk

        client = sdk.from_env(timeout=_PATIENCE_S)
        try:
            runtimes = client.api.info().get("Runtimes") or {}
        finally:
            client.close()
    except Exception as error:
        return Capability("gvisor", False, f"Docker Engine does not answer: {_short(error)}.", runsc.REMEDY)
    lacking = runsc.missing(runtimes)
    if lacking:
        return Capability("gvisor", False, lacking, runsc.REMEDY)
    return _tried_gvisor(str(runtimes[runsc.RUNTIME].get("path", "")))


def _tried_gvisor(path: str) -> Capability:
    # Outside the engine, which may have no image yet to make a container of.
    program = shutil.which(path) if path else None
    if program is None:
        return Capability("gvisor", False, f"The registered {path or 'runsc'} is not here.", runsc.REMEDY)
    if os.geteuid() != 0:
        return Capability("gvisor", True, "Docker Engine has runsc registered; not tried, as only root can by itself.")
    remedy = "Run it by hand to see more. An older processor or a nested sandbox may lack what gVisor needs."
    ok, said = _run([program, "--network=none", "--ignore-cgroups", "do", "true"])
    if not ok:
        return Capability("gvisor", False, f"runsc is registered, but did not run a program: {said}.", remedy)
    return Capability("gvisor", True, "Docker Engine has runsc registered, and it ran a program.")


@functools.cache
def namespaces() -> Capability:
    """Namespaces: a process in new mount, PID, IPC, UTS and network namespaces mounts its own /proc."""
    if sys.platform != "linux":
        return Capability("namespaces", False, "Only Linux has them.", "Use Docker here: it brings a Linux of its own.")
    remedy = (
        "Run as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu "
        "also kernel.apparmor_restrict_unprivileged_userns=0); in a container add --privileged."
    )
    ok, said = _try("try_namespaces.py")
    if not ok:
        return Capability("namespaces", False, f"A process in namespaces of its own failed: {said}.", remedy)
    how = "as root" if os.geteuid() == 0 else "in a user namespace"
    return Capability("namespaces", True, f"A process ran in namespaces of its own, {how}.")


@functools.cache
def cgroups() -> Capability:
    """Control groups: one with a memory limit can be made, and a process moved into it."""
    remedy = "Run as root, or in a session that has them delegated (systemd-run --user --scope -p Delegate=yes ...)."
    if sys.platform != "linux":
        return Capability("cgroups", False, "Only Linux has them.", "Use Docker here: it brings a Linux of its own.")
    version, why = _cgroup_version(), "there are none"
    for parent in _v2_parents() if version == "v2" else [_v1_parent("memory")]:
        why = _try_cgroup(parent, "cgroup.controllers" if version == "v2" else "")
        if not why:
            return Capability("cgroups", True, f"{version}: a group with a memory limit was made in {parent}.")
    return Capability("cgroups", False, f"{version}: no group with a memory limit could be made: {why}.", remedy)


@functools.cache
def kvm() -> Capability:
    """KVM: a virtual machine of one instruction really ran."""
    remedy = "Use a machine with hardware virtualisation, and be in the group kvm. Without it QEMU emulates, slowly."
    if not Path("/dev/kvm").exists():
        return Capability("kvm", False, "There is no /dev/kvm.", remedy)
    if platform_module.machine() != "x86_64":
        opens = os.access("/dev/kvm", os.R_OK | os.W_OK)
        return Capability("kvm", opens, "/dev/kvm opens; not tried with a guest." if opens else "No access.", remedy)
    ok, said = _try("try_kvm.py")
    if not ok:
        return Capability("kvm", False, f"/dev/kvm is there, but no guest ran: {said}.", remedy)
    return Capability("kvm", True, "A guest of one instruction ran.")


@functools.cache
def qemu() -> Capability:
    """A virtual machine: QEMU says its version, and what else a guest needs is here. None is booted to find out."""
    program = _program("qemu", ("qemu-system-x86_64",), "--version", QEMU_REMEDY)
    if not program:
        return program
    if platform_module.machine() != "x86_64":
        return Capability("qemu", False, f"The guests are x86-64 ones, this machine is {platform_module.machine()}.")
    needed = {"mke2fs": _sees("mke2fs"), "a static busybox": _sees("busybox"), "a kernel": bool(guest_kernels())}
    missing = " and ".join(name for name, there in needed.items() if not there)
    if missing:
        return Capability("qemu", False, f"QEMU is installed, but {missing} is missing.", QEMU_REMEDY)
    return Capability("qemu", True, f"{program.detail} {guest_kernels()[0].name} can be booted.")


def guest_kernels() -> tuple[Path, ...]:
    """The kernels that a virtual machine may be booted with, best first: readable files called vmlinuz-VERSION.

    The one that WORKBENCH_GUEST_KERNEL names; else what `tools/system-packages --for-vm` has fetched, in the
    workbench's directory; else what lies in `~/.cache/workbench/kernel`; else this machine's own in /boot.
    """
    named = os.environ.get("WORKBENCH_GUEST_KERNEL")
    if named:
        found = [Path(named)]
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        places = (_PROGRAMS.parents[1] / ".setup" / "kernel", cache / "workbench" / "kernel", Path("/boot"))
        found = [path for place in places for path in sorted(place.glob("vmlinuz-*"), reverse=True)]
    return tuple(path for path in found if path.is_file() and os.access(path, os.R_OK))


def _sees(program: str) -> bool:
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))) is not None


@functools.cache
def node() -> Capability:
    """Node.js: it says its version."""
    return _program("node", ("node",), "--version", "apt-get install nodejs, or nodejs.org")


@functools.cache
def java() -> Capability:
    """A Java runtime: it says its version."""
    return _program("java", ("java",), "-version", "apt-get install default-jre-headless, or adoptium.net")


@functools.cache
def chromium() -> Capability:
    """A Chromium browser: it says its version."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return _program("chromium", names, "--version", "apt-get install chromium")


@functools.cache
def rabbitmq() -> Capability:
    """A RabbitMQ broker: its files are here, and the Erlang that runs it says its version. None is started."""
    remedy = "apt-get install rabbitmq-server (the workbench starts one of its own; the system's need not run)"
    if rabbitmq_program() is None:
        return Capability("rabbitmq", False, "Not installed.", remedy)
    asked = 'io:format("Erlang ~s~n", [erlang:system_info(version)]), halt().'
    ok, said = _run(["erl", "-noshell", "-eval", asked])
    if not ok:
        return Capability("rabbitmq", False, f"Installed, but Erlang does not work: {said}.", remedy)
    return Capability("rabbitmq", True, f"Installed, on {said}.")


def rabbitmq_program() -> Path | None:
    """The broker's own start script, which runs as any user; not the one in /usr/sbin, which insists on its user."""
    places = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server"))
    return next((path for path in places if os.access(path, os.X_OK)), None)


def _program(name: str, commands: tuple[str, ...], option: str, remedy: str) -> Capability:
    path = next((found for found in map(shutil.which, commands) if found), None)
    if path is None:
        return Capability(name, False, "Not installed.", remedy)
    ok, said = _run([path, option])
    return Capability(name, ok, f"{said}." if ok else f"{path} does not work: {said}.", "" if ok else remedy)


def _try(probe: str) -> tuple[bool, str]:
    # In a process of its own: what is tried changes the process that tries it, and may hang.
    return _run([sys.executable, "-I", "-S", str(_PROGRAMS / probe)])


def _run(command: list[str]) -> tuple[bool, str]:
    """Whether `command` succeeded, and its last line when it failed, else the first that looks like a version."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {_PATIENCE_S} s"
    except OSError as error:
        return False, _short(error)
    lines = done.stdout.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    said = lines[-1]
    if done.returncode == 0:
        said = next((line for line in lines if re.search(r"\d+\.\d+", line)), lines[0])
    return done.returncode == 0, said.strip().rstrip(".")


def _cgroup_version() -> str:
    if (_CGROUPS / "cgroup.controllers").exists():
        return "v2"
    return "v1" if (_CGROUPS / "memory").is_dir() else "none"


def _v2_parents() -> Iterator[Path]:
    # From our own group upwards: where sessions are delegated, it is an ancestor that allows new groups.
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "/")
    group = _CGROUPS / own.lstrip("/")
    yield group
    while group != _CGROUPS:
        group = group.parent
        yield group


def _v1_parent(controller: str) -> Path:
    return _CGROUPS / controller


def _try_cgroup(parent: Path, controllers: str) -> str:
    """Empty when a group with a memory limit could be made in `parent` and a process put into it, else why not."""
    group = parent / f"workbench-probe-{os.getpid()}"
    passed_on = False
    try:
        group.mkdir()
    except OSError as error:
        return _short(error)
    try:
        if controllers and "memory" not in (group / controllers).read_text().split():
            passed_on = _pass_on(parent, "+memory")
            if not passed_on:
                return f"{parent} passes no memory controller on"
        (group / ("memory.max" if controllers else "memory.limit_in_bytes")).write_text(str(128 * 2**20))
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            (group / "cgroup.procs").write_text(str(process.pid))
        return ""
    except OSError as error:
        return _short(error)
    finally:
        with suppress(OSError):
            group.rmdir()
        if passed_on:
            _pass_on(parent, "-memory")


def _pass_on(parent: Path, change: str) -> bool:
    """Whether v2's `parent` could be told to give its groups a controller ("+memory"), or to give it no longer."""
    try:
        (parent / "cgroup.subtree_control").write_text(change)
    except OSError:
        return False
    return True


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
