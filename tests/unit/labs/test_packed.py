"""What is in a package, and copies with one thing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import PackageError
from workbench.labs import changed, contents, digest, packed
from workbench.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    source = tmp_path / "shop"
    source.mkdir()
    (source / "app.py").write_text("def handler(event, context):\n    return 1\n")
    (source / ".env").write_text("PASSWORD=x\n")
    return Service.from_dir(source, "app.handler")


def test_a_package_is_shown_by_its_files_and_its_digest(service: Service) -> None:
    panel = packed(service)
    assert "app.py" in panel.text
    assert ".env" not in panel.text
    assert f"sha256 {digest(service)}" in panel.text


def test_a_copy_has_the_same_digest_until_one_character_differs(service: Service) -> None:
    same = changed(service, "same", ".env", "", "PASSWORD=y")
    other = changed(service, "other", "app.py", "return 1", "return 2")
    assert same.source != service.source
    assert digest(same) == digest(service)
    assert digest(other) != digest(service)
    assert (service.source / "app.py").read_text().endswith("return 1\n")


def test_a_file_that_was_not_there_is_written(service: Service) -> None:
    assert contents(changed(service, "more", "Dockerfile", "", "FROM x")) == ["Dockerfile", "app.py"]
    assert contents(changed(service, "more", "NOTES", "", "x")) == ["NOTES", "app.py"]  # made anew


def test_a_text_that_is_not_in_the_file_is_named(service: Service) -> None:
    with pytest.raises(PackageError, match="'return 7'"):
        changed(service, "none", "app.py", "return 7", "return 8")
