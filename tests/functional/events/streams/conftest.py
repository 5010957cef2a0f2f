"""One platform and one moto server for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as running:
        yield running


@pytest.fixture(scope="module")
def platform(aws: Aws) -> Iterator[Platform]:
    with Platform("--retry-scale", "0.01", "--aws-endpoint", aws.endpoint) as running:
        running.warm_up()
        yield running
