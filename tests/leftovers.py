"""What workbench sessions leave on a machine, each thing as one line of text: processes and virtual machines,
containers, images, networks, Swarm services, cgroups, mounts, virtual network interfaces, directories, files.

Looked for in its own way, by asking the kernel and Docker Engine, not through `workbench.cleaning`: a test run must not
trust the code it tests to say that nothing is left.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from workbench.session import VARIABLE, cache_dir, is_alive, session_id, state_dir

RUN = "WORKBENCH_TEST_RUN"
"""Set by conftest.py, `RUN` or in a worker `RUN/WORKER`; what a test starts inherits it, whatever session it opens."""

_LABEL = "workbench.session"


def find() -> frozenset[str]:
    """Everything on this machine that belongs to this test run, or to a session whose owner is dead."""
    return frozenset([*_processes(), *_of_engine(), *_cgroups(), *_mounts(), *_shared_memory(), *directories()])


def everything() -> frozenset[str]:
    """`find()`, and what only a test that has the temporary directory for itself may ask for: files by any name."""
    return find() | frozenset([*_temporary(), *_half_made(), *_network_namespaces()])


def unowned_interfaces() -> int:
    """How many virtual Ethernet interfaces of the host belong to no bridge: those of an engine's containers all do."""
    names = [name for name in os.listdir("/sys/class/net") if name.startswith("veth")]
    return sum(not os.path.exists(f"/sys/class/net/{name}/master") for name in names)


def _abandoned(session: str) -> bool:
    return session == session_id() or not is_alive(session)


def _processes() -> Iterator[str]:
    run = os.environ.get(RUN)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            session, of_run = environment.get(VARIABLE), environment.get(RUN)
            ours = run is not None and of_run is not None and f"{of_run}/".startswith(f"{run}/")
            if of_run is not None and not ours:  # another worker's, which may just be killing something
                continue
            if process.pid != os.getpid() and (ours or (session and _abandoned(session))):
                yield f"process {process.pid}: {' '.join(process.cmdline())[:120]}"


@contextlib.contextmanager
def _engine() -> Iterator[Any]:
    import docker
    import docker.errors

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        yield None
        return
    with contextlib.closing(client):
        yield client


def _of_engine() -> Iterator[str]:
    filters = {"label": _LABEL}
    with _engine() as client:
        if client is None:
            return
        for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
            if _abandoned(container.labels[_LABEL]):
                yield f"container {container.name} ({container.status})"
        for image in client.api.images(filters=filters):  # one request: another session's may go meanwhile
            if _abandoned(image["Labels"][_LABEL]):
                yield f"image {image['Id'][:19]} ({', '.join(image['RepoTags'] or ()) or 'no tag'})"
        for network in client.networks.list(filters=filters):
            if _abandoned(network.attrs["Labels"][_LABEL]):
                yield f"network {network.name}"
        if client.info().get("Swarm", {}).get("ControlAvailable"):
            for service in client.services.list(filters=filters):
                if _abandoned(service.attrs["Spec"]["Labels"][_LABEL]):
                    yield f"Swarm service {service.name}"
            made_by = (client.api.inspect_swarm()["Spec"].get("Labels") or {}).get(_LABEL)
            if made_by and _abandoned(made_by) and not client.services.list():
                yield f"Swarm of session {made_by}"


def _cgroups() -> Iterator[str]:
    # Below this process's own groups, however deep those are. Not rglob: it fails when one goes while it looks.
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name.startswith("workbench-") and _abandoned(name.removeprefix("workbench-")):
                yield f"cgroup {folder}/{name}"


def _mounts() -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if line.split()[4].startswith(f"{state_dir()}/"):
                yield f"mount {line.split()[4]}"


def _shared_memory() -> Iterator[str]:
    yield from (f"shared memory {path}" for path in Path("/dev/shm").glob("*workbench*"))


def _network_namespaces() -> Iterator[str]:
    yield from (f"network namespace {path}" for path in Path("/run/netns").glob("*"))


def _temporary() -> Iterator[str]:
    for path in Path(tempfile.gettempdir()).iterdir():
        yield f"temporary {path}"


def _half_made() -> Iterator[str]:
    # What begins with a dot in the cache is not a product; two directories deep, as products are large.
    for path in [*cache_dir().glob(".*"), *cache_dir().glob("*/.*")]:
        yield f"half made {path}"


def directories() -> Iterator[str]:
    """What sessions left in this process's own place."""
    for directory in (state_dir() / "sessions").glob("*"):
        # What begins with a dot is a note of the session to itself, and goes with it.
        inside = directory.iterdir() if directory.is_dir() else ()
        content = sorted(path.name for path in inside if not path.name.startswith("."))
        if directory.name != session_id() or content:
            yield f"directory {directory} ({', '.join(content[:5]) or 'empty'})"
