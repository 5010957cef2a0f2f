"""A real platform in a process of its own, and plain boto3 to drive it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.faas.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform("--retry-scale", "0.002") as running:
        running.warm_up()
        yield running


@pytest.fixture
def function(platform: Platform) -> Iterator[str]:
    """A function of its own for one test, deleted afterwards."""
    name = platform.create()
    yield name
    platform.delete(name)
