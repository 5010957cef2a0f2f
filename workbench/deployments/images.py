"""The images of one container deployment: one for each version, built before its instances start, gone at its end."""

from __future__ import annotations

import threading
import uuid
import weakref
from pathlib import Path

from workbench.faas.functions.java_code import runnable
from workbench.image import ImageContext, image_context
from workbench.isolation.engine import bases, docker, docker_build, docker_image
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Service


class Images:
    """What `launch` starts are instances of the images that `prepare` built."""

    def __init__(self, base: str = "") -> None:
        self._base = base
        self._owner = uuid.uuid4().hex[:8]
        self._lock = threading.Lock()
        self._tags: dict[Path, str] = {}
        self._built: set[str] = set()
        self._boxes: weakref.WeakValueDictionary[str, docker.DockerSandbox] = weakref.WeakValueDictionary()

    def build(self, service: Service, *, nocache: bool = False) -> None:
        """Build the image of the service as it lies in its directory now; `nocache`: every layer anew."""
        self.prepare(service, runnable(service), nocache=nocache)

    def prepare(self, service: Service, code: Path, *, nocache: bool = False) -> str:
        """Build the image of this version, unless this deployment has it; its tag. Raises what building raises."""
        context = image_context(service, base=self._base, code=code)
        tag = docker_build.tag_of(service.name, context.digest, self._owner)
        with self._lock:
            if nocache or tag not in self._built or not docker_build.has(tag):
                docker_image.ensure(context.base)
                if nocache:
                    docker_build.remove(tag)  # else what had it would stay, without a name
                docker_build.build(tag, context.files(), base=context.base, nocache=nocache, network=_network(context))
                self._built.add(tag)
            self._tags[code] = tag
        return tag

    def launch(self, spec: SandboxSpec) -> Sandbox:
        """Start an instance of the version whose code `spec` names."""
        with self._lock:
            tag = self._tags[spec.code]
        box = docker.launch(spec, image=tag)
        self._boxes[spec.name] = box
        return box

    def health(self, instance_id: str) -> str:
        """What the engine's health check says of the instance (see `DockerSandbox.health`)."""
        box = self._boxes.get(instance_id)
        return box.health() if box is not None else ""

    def close(self) -> None:
        """Remove the images; the base stays, for the next."""
        with self._lock:
            tags, self._built = self._built, set()
        for tag in tags:
            docker_build.remove(tag)


def _network(context: ImageContext) -> str:
    # Ours needs none; a person's own Dockerfile may fetch something.
    return "default" if context.brought or not bases.is_own(context.base) else "none"
