"""What workbench sessions leave on a machine: processes, containers, cgroups and directories, each as one line of text.

Looked for in its own way, by asking the kernel and Docker Engine, not through `workbench.cleaning`: a test run must not
trust the code it tests to say that nothing is left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import psutil

from workbench.session import VARIABLE, is_alive, session_id, state_dir

RUN = "WORKBENCH_TEST_RUN"
"""Set by conftest.py; every process that a test starts inherits it, whatever session it opens."""


def find() -> frozenset[str]:
    """Everything on this machine that belongs to this test run, or to a session whose owner is dead."""
    return frozenset([*_processes(), *_containers(), *_docker(), *_cgroups(), *directories()])


def _abandoned(session: str) -> bool:
    return session == session_id() or not is_alive(session)


def _processes() -> Iterator[str]:
    run = os.environ.get(RUN)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            session = environment.get(VARIABLE)
            ours = run is not None and environment.get(RUN) == run
            if process.pid != os.getpid() and (ours or (session and _abandoned(session))):
                yield f"process {process.pid}: {' '.join(process.cmdline())[:120]}"


def _containers() -> Iterator[str]:
    import docker
    import docker.errors

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        return
    with contextlib.closing(client):
        for container in client.containers.list(all=True, filters={"label": "workbench.session"}, ignore_removed=True):
            if _abandoned(container.labels["workbench.session"]):
                yield f"container {container.name} ({container.status})"


def _docker() -> Iterator[str]:
    import docker
    import docker.errors

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        return
    with contextlib.closing(client):
        labelled = {"label": "workbench.session"}
        for network in client.networks.list(filters=labelled):
            if _abandoned((network.attrs.get("Labels") or {}).get("workbench.session", "")):
                yield f"network {network.name}"
        for image in client.api.images(filters=labelled):  # one request: another session's may go meanwhile
            if _abandoned(image["Labels"]["workbench.session"]):
                yield f"image {image['RepoTags'] or image['Id']}"


def _cgroups() -> Iterator[str]:
    # Below this process's own groups, however deep those are. Not rglob: it fails when one goes while it looks.
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name.startswith("workbench-") and _abandoned(name.removeprefix("workbench-")):
                yield f"cgroup {folder}/{name}"


def directories() -> Iterator[str]:
    """What sessions left in this process's own place."""
    for directory in (state_dir() / "sessions").glob("*"):
        content = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
        if directory.name != session_id() or content:
            yield f"directory {directory} ({', '.join(content[:5]) or 'empty'})"
