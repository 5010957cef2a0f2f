"""Images built by the engine's own builder, with its cache: what was built once with the same files is not built again.

An image's tag carries the digest of its context and base, and whose it is; so within a deployment an unchanged service
is found by its tag, and elsewhere by the builder's cache. The time of a build shows where a version is deployed or
updated ("changed code to first answer" includes it), never in an instance's start.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import docker
import docker.errors

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.isolation.engine import docker_engine
from workbench.session import session_id

Files = Iterable[tuple[str, Path | bytes]]

PATIENCE_S = 900
_EPOCH = 315_532_800  # 1980-01-01, as in packages: the clock leaves no trace in a layer
_LAST_LINES = 15
_TRIES = 8
_WAS_REMOVED = re.compile("layer does not exist|failed to get digest|No such image: sha256|image does not exist")
"""What the builder says when a layer that it had found in its cache has gone, with the last image of another's."""
_IN_MEMORY = 8 * 2**20
_STEP_DONE = re.compile(r"---> ([0-9a-f]{12,64})")
_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Built:
    """An image: its tag, whether its build found every layer in the cache, and what the builder printed."""

    tag: str
    cached: bool
    printed: str


def tag_of(name: str, digest: str, owner: str) -> str:
    """The tag of `owner`'s image of the service `name` with that digest."""
    return f"workbench/service-{_NAME.sub('-', name.lower()).strip('-') or 'image'}:{digest[:20]}-{owner}"


def build(tag: str, files: Files, *, base: str, nocache: bool = False, network: str = "none") -> Built:
    """Build `files` (names as the Dockerfile sees them; folders end in a slash) on the image `base`, tag the result.

    `network`: what its RUN lines reach. Raises CapabilityMissing where no engine can be reached or the base image is
    missing, DeploymentError with the builder's last lines where the Dockerfile does not build or the disk is full.
    """
    client = docker_engine.client(os.getpid())
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as context:
        _tar(files, cast(IO[bytes], context))
        for tries in itertools.count(1):
            context.seek(0)
            lines: list[str] = []
            failed = _once(client, cast(IO[bytes], context), lines, tag, base, nocache=nocache, network=network)
            if not failed:
                break
            if tries == _TRIES or not _WAS_REMOVED.search(failed):
                _remove_last_step(client, lines)
                raise _translated(failed, lines, base)
    steps = sum(line.startswith("Step ") for line in lines)
    made = sum(line.strip().startswith("---> Running in") for line in lines)
    hits = sum(line.strip() == "---> Using cache" for line in lines)
    return Built(tag, made == 0 and 0 < steps <= hits + 2, "\n".join(lines))  # ARG and FROM are no layers


def _once(
    client: docker.DockerClient,
    context: IO[bytes],
    lines: list[str],
    tag: str,
    base: str,
    *,
    nocache: bool,
    network: str,
) -> str:
    """Build once, and keep in `lines` what is printed; why it failed, or nothing."""
    with docker_engine.translated(f"build the image {tag}"):
        answers = client.api.build(
            fileobj=context,
            custom_context=True,
            encoding=None,
            tag=tag,
            buildargs={"BASE": base},
            labels={"workbench": "1", "workbench.session": session_id()},
            nocache=nocache,
            network_mode=network,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=PATIENCE_S,
        )
        return _read(answers, lines)


def has(tag: str) -> bool:
    """Whether the engine has an image of that tag; raises what the engine's not answering raises."""
    with docker_engine.translated(f"look for the image {tag}"):
        try:
            docker_engine.client(os.getpid()).images.get(tag)
        except docker.errors.ImageNotFound:
            return False
    return True


def id_of(tag: str) -> str:
    """The id of the image of that tag; raises DeploymentError where the engine does not tell."""
    with docker_engine.translated(f"tell of the image {tag}"):
        return str(docker_engine.client(os.getpid()).images.get(tag).id)


def remove(tag: str) -> None:
    """Take the tag away, and the layers that nothing else has, as far as the engine can be asked."""
    with contextlib.suppress(*docker_engine.REFUSED, CapabilityMissing):  # `workbench clean` finds it by its label
        docker_engine.client(os.getpid()).api.remove_image(tag)


def _tar(files: Files, into: IO[bytes]) -> None:
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.mtime = _EPOCH
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif isinstance(content, bytes):
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
            else:
                state = content.stat()
                member.size, member.mode = state.st_size, 0o755 if state.st_mode & 0o100 else 0o644
                with content.open("rb") as file:
                    archive.addfile(member, file)


def _read(answers: Iterator[dict[str, Any]], lines: list[str]) -> str:
    """Keep what the builder prints; its error, or nothing."""
    failed = ""
    for answer in answers:
        lines += [line for line in str(answer.get("stream", "")).splitlines() if line.strip()]
        failed = failed or str(answer.get("error", ""))
    return failed


def _remove_last_step(client: docker.DockerClient, lines: list[str]) -> None:
    """Remove what a failed build had made: images without a name, that no label tells from somebody else's."""
    made = [found[1] for line in lines if (found := _STEP_DONE.fullmatch(line.strip()))]
    with contextlib.suppress(*docker_engine.REFUSED):  # of another build too, then
        if made and not client.images.get(made[-1]).tags:  # the base has a name
            client.api.remove_image(made[-1])


def _translated(failed: str, lines: list[str], base: str) -> DeploymentError | CapabilityMissing:
    said = "\n".join([*lines[-_LAST_LINES:], failed])
    if "no space left on device" in failed:
        return DeploymentError(
            f"Docker Engine's disk is full: {failed}. See `docker system df`; `workbench clean` and "
            "`docker builder prune` make room."
        )
    if not any(line.startswith("Step ") and "FROM" not in line and "ARG" not in line for line in lines):
        return CapabilityMissing(
            f"The image could not be built on {base!r}: the engine has no such image or could not fetch it ({failed})",
            "Fetch it with `docker pull`, or unset WORKBENCH_BASE_IMAGE to build on this machine's own Python.",
        )
    return DeploymentError(
        f"The Dockerfile does not build. The builder's last lines:\n{said}\n"
        "Mend it; `workbench image` writes out one that builds, with the folders that it may copy."
    )
