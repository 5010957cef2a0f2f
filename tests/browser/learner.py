"""What a learner does in JupyterLab: open a notebook, run cells, look. And pictures of what they saw."""

from __future__ import annotations

import contextlib
import re

from playwright.sync_api import Locator, Page, expect

from tests.browser import jupyter

expect.set_options(timeout=60_000)  # an upper bound for a busy machine; what is there sooner is seen sooner

PICTURES = jupyter.PROJECT / "build" / "screenshots"
RUN_MS = 240_000
WIDTH, HEIGHT, PICTURE_HEIGHT = 1280, 1000, 1500
TALLEST = 20_000
DRAWN_MS = 2000
"""So long a page may take to be drawn anew at another size."""


def open_notebook(page: Page, lab: jupyter.Lab, notebook: str) -> None:
    """Open one, and wait until its kernel does.

    On a busy machine JupyterLab may give up its theme (and with it the status bar), or show its launcher in the
    notebook's place: whoever sees that loads the page again.
    """
    ready = page.get_by_text("Python 3 (ipykernel) | Idle")
    first = page.locator(".jp-Notebook .jp-CodeCell").first
    for _ in range(2):
        page.goto(lab.url(notebook))
        with contextlib.suppress(AssertionError):
            expect(ready).to_be_visible(timeout=30_000)
            expect(first).to_be_visible(timeout=30_000)
            return
    page.goto(lab.url(notebook))
    expect(ready).to_be_visible()
    expect(first).to_be_visible()


def cell(page: Page, text: str) -> Locator:
    """The first code cell whose source holds `text`."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea-editor", has_text=text)).first


def run_all(page: Page) -> None:
    """Choose Run All Cells of the menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()


def run(page: Page, text: str) -> Locator:
    """Run the cell that holds `text`, and wait for its end."""
    found = cell(page, text)
    found.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    expect(found.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=RUN_MS)
    return found


def picture(page: Page, name: str) -> None:
    """The notebook as pictures of a size that a person can look at, from its first cell to its last."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob(f"{name}-*.png"):
        old.unlink()
    page.set_viewport_size({"width": WIDTH, "height": TALLEST})
    page.locator(".jp-Notebook-cell").first.scroll_into_view_if_needed()
    page.wait_for_timeout(DRAWN_MS)
    last = page.locator(".jp-Notebook-cell").last.bounding_box()
    assert last is not None
    end = min(int(last["y"] + last["height"]) + 20, TALLEST)
    for number, top in enumerate(range(0, end, PICTURE_HEIGHT), 1):
        clip = {"x": 0, "y": top, "width": WIDTH, "height": min(PICTURE_HEIGHT, end - top)}
        page.screenshot(path=PICTURES / f"{name}-{number}.png", clip=clip)  # type: ignore[arg-type]
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
