"""Builds of an image, measured where there is a Docker Engine, else as they were recorded."""

from __future__ import annotations

from statistics import median

from workbench import capabilities
from workbench.experiments.image_build import image_build
from workbench.recorded import recorded
from workbench.records import Measurement
from workbench.service import Service

RECORDED = "lab_01"
"""The run that is shown where this machine cannot measure."""

REBUILDS = {"unchanged_s": "nothing", "code_s": "the code", "dependency_s": "a dependency"}
"""What has changed before a rebuild, by the detail of the measurement; its values are a question's choices."""


def builds(service: Service, rounds: int = 1) -> Measurement:
    """Builds of the service's image from nothing and after each kind of change; the recorded ones without an engine."""
    if not capabilities.find().docker.available:
        return recorded(RECORDED).of("image_build")["container"]
    from workbench.deployments.images import Images  # docker-py is imported when it is needed

    images = Images()
    try:
        return image_build(service, images.build, rounds=rounds)
    finally:
        images.close()


def slowest(measured: Measurement) -> str:
    """After which change a rebuild took longest, by the median."""
    middles = {name: median(measured.detail[key]) for key, name in REBUILDS.items()}
    return max(middles, key=lambda name: middles[name])
