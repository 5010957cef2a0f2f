"""One platform with its AWS services for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.events.embedded.sink import Sink
from tests.functional.faas.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform("--aws", "--retry-scale", "0.002") as running:
        yield running


@pytest.fixture
def sink(platform: Platform, tmp_path: Path) -> Iterator[Sink]:
    made = Sink(platform, tmp_path / "events")
    yield made
    platform.delete(made.name)
