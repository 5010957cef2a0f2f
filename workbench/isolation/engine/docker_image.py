"""The root file system as a Docker image: imported once into an engine, found again by its digest."""

from __future__ import annotations

import fcntl
import io
import os
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors

from workbench.errors import DeploymentError
from workbench.isolation import languages, rootfs
from workbench.isolation.engine import bases, docker_engine
from workbench.session import cache_dir

REPOSITORY = bases.ROOT_REPOSITORY

_CHUNK = 1 << 20


def image(client: docker.DockerClient) -> str:
    """The tag of the image made of `rootfs.root_fs()`; imported into the engine when it does not have it.

    Raises DeploymentError when the engine refuses it, and docker's own errors when it cannot be asked.
    """
    root = rootfs.root_fs()
    tag = bases.own()
    digest = tag.rpartition(":")[2]
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


def ensure(base: str) -> None:
    """Have the engine hold `base` if it is an image of ours; one of somebody else the builder fetches itself.

    A language's base is the root file system with the language's tree as /var/lang, one layer that all its services
    share. Raises CapabilityMissing where no engine can be reached, DeploymentError when it refuses.
    """
    if not bases.is_own(base):
        return
    client = docker_engine.client(os.getpid())
    with docker_engine.translated(f"make the base image {base}"):
        root = image(client)
        for language in languages.LANGUAGES:
            tree = languages.tree(language) if base.startswith(f"workbench/{language}:") else None
            if tree is not None and base == bases.own(language) and not _has(client, base):
                _layer(client, base, root, tree)


def _layer(client: docker.DockerClient, tag: str, root: str, tree: Path) -> None:
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w", format=tarfile.PAX_FORMAT) as archive:
            text = f"FROM {root}\nCOPY tree/ {languages.INSIDE}/\n".encode()
            member = tarfile.TarInfo("Dockerfile")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
            archive.add(str(tree), arcname="tree", filter=_as_root)
        context.seek(0)
        answers = client.api.build(
            fileobj=context, custom_context=True, tag=tag, labels={"workbench": "1"}, rm=True, forcerm=True, decode=True
        )
        failed = next((str(answer["error"]) for answer in answers if "error" in answer), "")
    if failed:
        raise DeploymentError(f"Docker Engine did not build the base image {tag}: {failed}.")


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
