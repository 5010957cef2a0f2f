"""An isolated cold start of the serverless platform against a Docker container's, as a ratio.

The same service, package, interpreter and payload; both from the call to the answer; taken in turn. It prints the ratio
with its 95% interval and fails only when the platform is not clearly the faster one: how much faster is for reading.
"""

from __future__ import annotations

import pytest

import workbench as wb
from tests.needs import needs
from workbench.statistics import bootstrap_ratio, percentile

SAMPLES = 20
PAYLOAD = {"sku": "A1", "quantity": 3}


@needs("docker", "namespaces")
@pytest.mark.timeout(600)
def test_cold_start_against_a_docker_container() -> None:
    service = wb.sample("pricing")
    with (
        wb.deploy(service, "serverless", sandbox="namespaces") as function,
        wb.deploy(service, "container", sandbox="docker") as container,
    ):
        ours, theirs = wb.experiments.cold_start(function, container, samples=SAMPLES, payload=PAYLOAD)
    ratio = bootstrap_ratio(ours.samples, theirs.samples)
    print(
        f"\ncold start, p50 of {SAMPLES}: serverless in namespaces {percentile(ours.samples, 50):.1f} ms, "
        f"Docker container {percentile(theirs.samples, 50):.1f} ms; "
        f"ratio {ratio.value:.3f} (95% {ratio.low:.3f} to {ratio.high:.3f}), one in {1 / ratio.value:.1f}"
    )
    assert ratio.high < 1
