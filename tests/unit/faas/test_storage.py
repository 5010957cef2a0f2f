"""What is kept on disk, on a real SQLite file; and the ways to name a function."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from workbench.errors import DeploymentError, PackageError
from workbench.faas.aws_errors import AwsError
from workbench.faas.names import function_name
from workbench.faas.storage import Storage


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "x = 1\n")
    return buffer.getvalue()


def test_what_is_saved_is_there_for_the_next(tmp_path: Path) -> None:
    async def write() -> None:
        first = Storage(tmp_path)
        await asyncio.gather(*(first.save_function(f"f{n}", f"record {n}") for n in range(50)))
        first.close()

    asyncio.run(write())
    second = Storage(tmp_path)
    assert len(second.functions()) == 50
    second.close()


def test_two_platforms_cannot_share_a_directory(tmp_path: Path) -> None:
    first = Storage(tmp_path)
    with pytest.raises(DeploymentError, match="--state"):
        Storage(tmp_path)
    first.close()
    Storage(tmp_path).close()


def test_code_is_kept_once_and_removed_when_unused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.add_code(zipped(), "aa")
    storage.add_code(zipped(), "aa")
    storage.add_code(zipped(), "bb")
    assert (storage.code("aa") / "app.py").read_text() == "x = 1\n"
    assert storage.archive("aa").read_bytes() == zipped()
    storage.keep_code({"bb"})
    assert not storage.code("aa").exists()
    assert storage.code("bb").exists()
    with pytest.raises(PackageError):
        storage.add_code(b"no zip", "cc")
    assert sorted(p.name for p in (tmp_path / "code").iterdir()) == ["bb"]
    storage.close()


@pytest.mark.parametrize(
    "given",
    ["f", "f:$LATEST", "function:f", "000000000000:function:f", "000000000000:f"]
    + ["arn:aws:lambda:us-east-1:000000000000:function:f" + tail for tail in ("", ":$LATEST")],
)
def test_the_ways_to_name_a_function(given: str) -> None:
    assert function_name(given, "us-east-1") == "f"


@pytest.mark.parametrize(
    ("given", "qualifier", "code"),
    [
        ("f:3", None, "ResourceNotFoundException"),
        ("f", "live", "ResourceNotFoundException"),
        ("f:$LATEST", "3", "InvalidParameterValueException"),
        ("111111111111:function:f", None, "AccessDeniedException"),
        ("arn:aws:lambda:eu-west-1:000000000000:function:f", None, "ResourceNotFoundException"),
    ],
)
def test_names_of_what_is_not_here(given: str, qualifier: str | None, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        function_name(given, "us-east-1", qualifier)
    assert caught.value.code == code
