"""What images are built on, by name: the root file system as this project's own image, or one that a person names.

The own base holds the interpreter of this machine, so that a container runs what the other sandboxes run. Where a root
file system cannot be made (not on Linux), or where WORKBENCH_BASE_IMAGE says so, it is an image of somebody else, such
as `python:3.13-slim`; the runtime directory and the language are then copied into the service's image.
"""

from __future__ import annotations

import os
import sys

from workbench.isolation import languages, rootfs

VARIABLE = "WORKBENCH_BASE_IMAGE"
ROOT_REPOSITORY = "workbench/rootfs"
"""Images are tagged `workbench/rootfs:DIGEST` and labelled `workbench=1`."""

_OWN = "workbench/"


def default(language: str = "python", named: str = "") -> str:
    """The image that a service in `language` is built on.

    The variable's; else the one `named` in its Dockerfile, if somebody else's; else our own, or Python's slim image.
    """
    if of_environment := os.environ.get(VARIABLE, ""):
        return of_environment
    if named and not is_own(named):
        return named
    if sys.platform != "linux":
        return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    return own(language)


def own(language: str = "python") -> str:
    """The tag of the root file system as an image, with the language's tree on it; raises what making them raises."""
    root = rootfs.root_fs().name.rpartition("-")[2]
    tree = languages.tree(language)
    if tree is None:
        return f"{ROOT_REPOSITORY}:{root}"
    return f"{_OWN}{language}:{tree.name.rpartition('-')[2][:12]}-{root[:12]}"


def is_own(base: str) -> bool:
    """Whether it is an image of ours, which has the runtime directory and the language in it."""
    return base.startswith((f"{ROOT_REPOSITORY}:", *(f"{_OWN}{language}:" for language in languages.LANGUAGES)))
