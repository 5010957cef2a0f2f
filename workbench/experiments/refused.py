"""What a deployment will not take: a package that is too large, a language that it does not have.

Each is really tried, and what was said is kept word for word.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import CapabilityMissing, WorkbenchError
from workbench.experiments.in_perl import in_perl
from workbench.experiments.progress import Progress, keeping, silent
from workbench.package import MAX_UNPACKED
from workbench.records import Measurement, Provenance
from workbench.service import Service
from workbench.session import cache_dir, session_dir

EXPERIMENT = "refused"
_MB = 2**20
_PACKAGE_MB = MAX_UNPACKED // _MB + 1


def refused(*deployments: Deployment, payload: Any = None, progress: Progress | None = None) -> tuple[Measurement, ...]:
    """Try with each deployment what exceeds a limit of AWS Lambda, or is in a language that the platform has not.

    A package of 251 MB (the limit is 250 MB unpacked: "Lambda quotas", AWS Lambda Developer Guide) and a service in
    Perl, which brings its interpreter and a Dockerfile, are deployed beside it, asked once with `payload`, and removed.

    Samples: none. Detail: probes, each with name, verdict (`runs`, `refused`, or `not tried` where this machine has no
    Perl) and observed, what was said. Raises Interrupted.
    """
    tell = progress or silent
    attempts: tuple[tuple[str, Callable[[Deployment, Any], None]], ...] = (
        (f"a package of {_PACKAGE_MB} MB", _large_package),
        ("a service in Perl", _language),
    )
    found: dict[int, list[dict[str, str]]] = {place: [] for place in range(len(deployments))}
    with keeping(lambda: tuple(_measurement(d, found[at], complete=False) for at, d in enumerate(deployments))):
        for number, (name, attempt) in enumerate(attempts):
            for place, deployment in enumerate(deployments):
                tell(EXPERIMENT, number * len(deployments) + place, len(attempts) * len(deployments))
                found[place].append(_tried(name, attempt, deployment, payload))
    total = len(attempts) * len(deployments)
    tell(EXPERIMENT, total, total)
    return tuple(_measurement(d, found[at], complete=True) for at, d in enumerate(deployments))


def _tried(
    name: str, attempt: Callable[[Deployment, Any], None], deployment: Deployment, payload: Any
) -> dict[str, str]:
    try:
        attempt(deployment, {} if payload is None else payload)
    except _NotHere as error:
        return {"name": name, "verdict": "not tried", "observed": str(error)}
    except WorkbenchError as error:
        return {"name": name, "verdict": "refused", "observed": str(error).splitlines()[0]}
    return {"name": name, "verdict": "runs", "observed": "it was taken, and it answered"}


def _large_package(deployment: Deployment, payload: Any) -> None:
    with _grown(deployment.service) as service, contextlib.closing(deployment.beside(service)) as large:
        large.invoke(payload)


@contextlib.contextmanager
def _grown(service: Service) -> Iterator[Service]:
    """The service with a file that makes it too large; what was unpacked of it is removed, for it is large."""
    blob = f"model-{uuid.uuid4().hex}.bin"
    with tempfile.TemporaryDirectory(dir=session_dir()) as place:
        source = Path(place) / "large"
        shutil.copytree(service.source, source)
        with (source / blob).open("wb") as file:
            file.truncate(_PACKAGE_MB * _MB)
        try:
            yield replace(service, source=source)
        finally:
            for found in (cache_dir() / "unpacked").glob(f"*/{blob}"):
                shutil.rmtree(found.parent, ignore_errors=True)
                (cache_dir() / "packages" / f"{found.parent.name}.zip").unlink(missing_ok=True)


def _language(deployment: Deployment, payload: Any) -> None:
    of = deployment.service
    with tempfile.TemporaryDirectory(dir=session_dir()) as place:
        try:
            service = in_perl(Path(place), of.resources, of.environment)
        except CapabilityMissing as error:
            raise _NotHere(str(error)) from error
        with contextlib.closing(deployment.beside(service)) as other:
            other.invoke(payload)


class _NotHere(Exception):
    """What would be tried is not on this machine."""


def _measurement(deployment: Deployment, probes: list[dict[str, str]], *, complete: bool) -> Measurement:
    return Measurement(
        EXPERIMENT,
        deployment.pattern,
        deployment.sandbox,
        "answers",
        (),
        Provenance("measured", "each was tried, and what was said is kept"),
        detail={"probes": probes},
        complete=complete,
    )
