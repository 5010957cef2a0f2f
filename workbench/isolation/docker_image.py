"""The root file system as a Docker image: imported once into an engine, found again by its digest."""

from __future__ import annotations

import fcntl
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors

from workbench.errors import DeploymentError
from workbench.isolation import rootfs
from workbench.session import cache_dir

REPOSITORY = "workbench/rootfs"
"""Images are tagged `workbench/rootfs:DIGEST` and labelled `workbench=1`."""

_CHUNK = 1 << 20


def image(client: docker.DockerClient) -> str:
    """The tag of the image made of `rootfs.root_fs()`; imported into the engine when it does not have it.

    Raises DeploymentError when the engine refuses it, and docker's own errors when it cannot be asked.
    """
    root = rootfs.root_fs()
    digest = root.name.rpartition("-")[2]
    tag = f"{REPOSITORY}:{digest}"
    if _has(client, tag):
        return tag
    with open(cache_dir() / "docker-import.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one import at a time; whoever waited finds it done
        if not _has(client, tag):
            answer = client.api.import_image(_tar(root), REPOSITORY, digest, changes=["LABEL workbench=1"])
            if not _has(client, tag):
                raise DeploymentError(
                    f"Docker Engine did not take the root file system as an image: {str(answer).strip()[-300:]}. "
                    "See whether its disk is full (`docker system df`)."
                )
    return tag


def _has(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _tar(root: Path) -> Iterator[bytes]:
    """The tree as a tar in pieces, owned by root; it never lies on the disk or in memory as a whole."""
    read_end, write_end = os.pipe()

    def write() -> None:
        with (
            os.fdopen(write_end, "wb") as pipe,
            tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(str(root), arcname=".", filter=_as_root)

    writer = threading.Thread(target=write, name="image-tar", daemon=True)
    writer.start()
    with os.fdopen(read_end, "rb") as pipe:
        while piece := pipe.read(_CHUNK):
            yield piece
    writer.join()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)  # compiled files are known to be right by the whole second
    return member
