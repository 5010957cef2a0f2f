"""A JupyterLab and a browser of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests import needs as parts
from tests.browser import jupyter
from tests.browser.learner import HEIGHT, WIDTH


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[jupyter.Lab]:
    with jupyter.running(tmp_path) as lab:
        yield lab


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=parts.browser_path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(30_000)
        yield page
        browser.close()
