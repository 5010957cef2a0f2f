"""A service in a language that no platform here knows, and what a container needs to run it: Perl and a Dockerfile.

Perl is this machine's own (every Debian has it), copied beside the service with the shared libraries that it needs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import workbench.samples
from workbench import image
from workbench.errors import CapabilityMissing
from workbench.isolation import languages, libraries
from workbench.isolation.engine import bases
from workbench.service import Resources, Service

RUNTIME = "perl5"
_PROGRAM = "server.pl"
_LIBRARIES = "/var/task/perl/lib"
_COMMAND = [
    *("python3", *languages.PYTHON_OPTIONS, "/var/runtime/any_host.py"),
    # By its own loader: the base may have another C library than this machine.
    *(f"{_LIBRARIES}/loader", "--library-path", _LIBRARIES, "/var/task/perl/perl", _PROGRAM),
]


def in_perl(directory: Path, resources: Resources, environment: Mapping[str, str]) -> Service:
    """Write the service into `directory`, which is empty; raises CapabilityMissing where there is no Perl to take."""
    found = shutil.which("perl")
    if sys.platform != "linux" or found is None:
        raise CapabilityMissing("There is no Perl for Linux on this machine", "On Debian: apt-get install perl-base")
    perl = Path(os.path.realpath(found))
    place = directory / "perl"
    (place / "lib").mkdir(parents=True)
    copies = [(perl, place / "perl"), (Path(libraries.loader(perl)), place / "lib/loader")]
    copies += [(library, place / "lib" / name) for name, library in libraries.closure([perl]).items()]
    for path, copy in copies:
        shutil.copyfile(path, copy)
        copy.chmod(0o755)
    shutil.copyfile(Path(workbench.samples.__file__).with_name("in_perl") / _PROGRAM, directory / _PROGRAM)
    (directory / "Dockerfile").write_text(_dockerfile(bases.default()), encoding="utf-8")
    return Service.from_dir(
        directory,
        _PROGRAM,
        name="in-perl",
        runtime=RUNTIME,
        resources=resources,
        environment=environment,
        health_path="/",
    )


def _dockerfile(base: str) -> str:
    lines = [
        "# A program that listens on the port in PORT; what language it is in is nobody's business but its own.",
        f"ARG BASE={base}",
        "FROM ${BASE}",
        *([] if bases.is_own(base) else ["COPY runtime/ /var/runtime/"]),
        f"ENV WORKBENCH_LISTEN_PORT={image.PORT}",
        "COPY code/ /var/task/",
        "WORKDIR /var/task",
        f"USER {image.USER}:{image.USER}",
        f"ENTRYPOINT {json.dumps(_COMMAND)}",
    ]
    return "\n".join(lines) + "\n"
