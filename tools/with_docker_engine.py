"""Run a command with a Docker Engine: the one that answers, or one of our own for as long as the command runs.

    python tools/with_docker_engine.py COMMAND [ARGUMENT...]

An engine that answers, at DOCKER_HOST or its usual address, is used and left alone. Otherwise root on Linux with a
`dockerd` gets one on a private socket, with all its files in one temporary directory, its mounts in a mount namespace
of its own and no rule added to the firewall. It is stopped and everything of it removed when the command ends, also
by Ctrl-C or SIGTERM; it dies with this process if that is killed. Where neither is possible the command runs without.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors

from workbench.capabilities.runsc import ARGUMENTS, RUNTIME

PREFIX = "workbench-engine-"
START_S = 60.0
STOP_S = 20.0

# What a kernel or a nested machine may refuse, tried in turn.
_OPTIONS = ((), ("--storage-driver=vfs",))
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """Tell the person, apart from the command's own output."""
    print(text, file=sys.stderr, flush=True)


def answers(address: str | None = None) -> bool:
    """Whether an engine answers at `address`, or at DOCKER_HOST or the usual place."""
    with contextlib.suppress(docker.errors.DockerException, OSError):
        client = docker.DockerClient(base_url=address, timeout=10) if address else docker.from_env(timeout=10)
        with contextlib.closing(client):
            return bool(client.ping())
    return False


def require_startable() -> None:
    """Raise OSError, saying why, where we cannot start an engine."""
    if not sys.platform.startswith("linux"):
        raise OSError("Docker does not answer; on this system, start Docker Desktop or its like")
    if shutil.which("dockerd") is None:
        raise OSError("Docker Engine is not installed")
    if os.geteuid() != 0:
        raise OSError("Docker Engine does not answer, and only root can start one")


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """An engine of our own: yields its address; raises OSError, saying why, when there can be none."""
    require_startable()
    remove_abandoned()
    had_bridge, had_groups = any(name == "docker0" for _, name in socket.if_nameindex()), set(_groups())
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    (directory / "owner").write_text(str(os.getpid()))
    (directory / "daemon.json").write_text(json.dumps(_configuration()))
    if not had_bridge:
        (directory / "bridge").touch()
    process = None
    try:
        process, address = _start(directory)
        yield address
    finally:
        if process is not None:
            _stop(process, f"unix://{directory}/docker.sock")
        _end_all_below(directory)
        if not had_bridge:
            _remove_bridge()
        for group in set(_groups()) - had_groups:
            _remove_group(group)
        shutil.rmtree(directory, ignore_errors=True)


def _configuration() -> dict[str, Any]:
    """With gVisor, where it is installed, as `workbench doctor` asks for it."""
    path = shutil.which("runsc")
    return {"runtimes": {RUNTIME: {"path": path, "runtimeArgs": [*ARGUMENTS]}}} if path else {}


def remove_abandoned() -> None:
    """Remove what an engine of ours left whose owner was killed."""
    for directory in Path("/tmp").glob(PREFIX + "*"):
        owner = directory / "owner"
        if owner.exists() and not Path("/proc", owner.read_text().strip()).exists():
            _end_all_below(directory)
            if (directory / "bridge").exists():
                _remove_bridge()
            shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    address = f"unix://{directory}/docker.sock"
    for options in _OPTIONS:
        process = subprocess.Popen(
            _command(directory, options),
            stdout=(directory / "log").open("ab"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Its own group: the terminal's Ctrl-C is for the command, which may need the engine to clean up.
            process_group=0,
            preexec_fn=_die_with_parent,
        )
        deadline = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < deadline:
            if (directory / "docker.sock").exists() and answers(address):
                return process, address
            time.sleep(0.1)
        _stop(process, None)
        _end_all_below(directory)
    log = (directory / "log").read_text(errors="replace").splitlines()
    raise OSError("Docker Engine did not start:\n  " + "\n  ".join(log[-8:]))


def _command(directory: Path, options: tuple[str, ...]) -> list[str]:
    return [
        # Its mounts stay its own and go with it; those that the tests make reach its containers.
        *("unshare", "--mount", "--propagation", "slave"),
        "dockerd",
        f"--host=unix://{directory}/docker.sock",
        f"--data-root={directory}/data",
        f"--exec-root={directory}/exec",
        f"--pidfile={directory}/docker.pid",
        f"--config-file={directory}/daemon.json",  # not this machine's: it may name the same directories
        # Containers answer at 127.0.0.1 through docker-proxy; they need no way out, so no rule is made.
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        *options,
    ]


def _stop(process: subprocess.Popen[bytes], address: str | None) -> None:
    if address is not None:
        # It would give each container its own grace: ten seconds and more.
        with contextlib.suppress(docker.errors.DockerException, OSError):
            client = docker.DockerClient(base_url=address, timeout=30)
            with contextlib.closing(client):
                for container in client.containers.list(all=True, ignore_removed=True):
                    with contextlib.suppress(docker.errors.DockerException):
                        container.remove(force=True)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_all_below(directory: Path) -> None:
    """End containerd and its shims if they outlived the engine: their command lines name its directory."""
    for _ in range(20):
        left = [pid for pid, words in _processes() if any(word.startswith(str(directory).encode()) for word in words)]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"=", b"\0").split(b"\0")
                if Path(words[0].decode(errors="replace")).name.startswith(
                    ("dockerd", "docker-proxy", "containerd", "runsc")
                ):
                    yield int(entry.name), words


def _groups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [group for group in (root / "docker", *root.glob("*/docker")) if group.is_dir()]


def _remove_group(group: Path) -> None:
    for directory in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            directory.rmdir()
    with contextlib.suppress(OSError):
        group.rmdir()


def _remove_bridge() -> None:
    down, delete_bridge, name = 0x8914, 0x89A1, b"docker0"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, down, struct.pack("16sh14x", name, 0))
        fcntl.ioctl(control, delete_bridge, name + b"\0")


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def run(command: list[str]) -> int:
    """Run the command to its end, handing it our signals; returns its exit status as a shell would."""
    process = subprocess.Popen(command)

    def hand_on(number: int, _: object) -> None:
        if number != signal.SIGINT:  # Ctrl-C at the terminal reaches the command by itself
            process.send_signal(number)

    for number in _SIGNALS:
        signal.signal(number, hand_on)
    status = process.wait()
    return status if status >= 0 else 128 - status


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)  # through every `finally`


def main(command: list[str]) -> int:
    """Run `command` with an engine where one can be had."""
    if not command:
        say(__doc__ or "")
        return 2
    for number in _SIGNALS:
        signal.signal(number, _leave)
    with contextlib.ExitStack() as stack:
        if not answers():
            try:
                os.environ["DOCKER_HOST"] = stack.enter_context(engine())
                say("Started a Docker Engine for the tests; it is removed when they end.")
            except OSError as error:
                say(f"{error}. What needs it is skipped, or fails where WORKBENCH_REQUIRE lists it.")
        return run(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
