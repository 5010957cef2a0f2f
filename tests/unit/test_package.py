"""A package is reproducible, and a hostile ZIP leaves nothing behind."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import package as packaging
from workbench.errors import PackageError
from workbench.package import package, unpack, unpacked
from workbench.samples import SAMPLES, sample
from workbench.service import Service


def service_in(directory: Path, **files: str) -> Service:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in {"app.py": "def handler(event, context): return event\n", **files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Service.from_dir(directory, "app.handler")


def zip_of(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return buffer.getvalue()


def test_same_tree_same_digest_whatever_clock_and_umask(tmp_path: Path) -> None:
    one = service_in(tmp_path / "one", **{"lib/b.py": "B = 1\n", "data.csv": "a,b\n"})
    before = os.umask(0o077)
    try:
        other = service_in(tmp_path / "other", **{"data.csv": "a,b\n", "lib/b.py": "B = 1\n"})
    finally:
        os.umask(before)
    for path in other.source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert package(one).sha256 == package(other).sha256


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    first = package(service_in(tmp_path / "s")).sha256
    assert package(service_in(tmp_path / "s", **{"data.txt": "x"})).sha256 != first


def test_leavings_and_secrets_stay_out(tmp_path: Path) -> None:
    service = service_in(
        tmp_path / "s",
        **{".git/config": "x", "__pycache__/app.cpython-311.pyc": "x", ".env": "SECRET=1", ".venv/bin/python": "x"},
    )
    assert sorted(zipfile.ZipFile(package(service).path).namelist()) == ["app.py"]


def test_executable_bit_survives(tmp_path: Path) -> None:
    service = service_in(tmp_path / "s", **{"bin/tool": "#!/bin/sh\n"})
    (service.source / "bin/tool").chmod(0o700)
    code = unpacked(package(service))
    assert stat.S_IMODE((code / "bin/tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((code / "app.py").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_package_and_unpack_to_what_they_were(name: str) -> None:
    service = sample(name)
    code = unpacked(package(service))
    files = [path.relative_to(service.source) for path in service.source.rglob("*") if path.is_file()]
    ours = [path for path in files if "__pycache__" not in path.parts and path.name != "__init__.py"]
    assert ours
    for path in ours:
        assert (code / path).read_bytes() == (service.source / path).read_bytes()


def test_empty_directory_and_links_out_are_refused(tmp_path: Path) -> None:
    service = service_in(tmp_path / "s")
    (service.source / "secret").symlink_to("/etc/hostname")
    with pytest.raises(PackageError, match="link that leads out"):
        package(service)


def test_link_inside_is_packed_as_its_content(tmp_path: Path) -> None:
    service = service_in(tmp_path / "s", **{"data.txt": "content"})
    (service.source / "alias.txt").symlink_to("data.txt")
    assert (unpacked(package(service)) / "alias.txt").read_text() == "content"


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        zip_of(("../evil.py", b"x")),
        zip_of(("/etc/evil", b"x")),
        zip_of(("a/../../evil", b"x")),
        zip_of(("c:evil", b"x")),
        zip_of(("a\\..\\evil", b"x")),
        zip_of((link("app.py"), b"/etc/passwd")),
        zip_of(("a", b"x"), ("a", b"y")),
        zip_of(("a", b"x"), ("a/b", b"y")),
        zip_of(("x" * 300, b"x")),
        b"",
        b"not a zip",
        zip_of(("app.py", b"x" * 1000))[:-30],
        zip_of(("app.py", b"x" * 1000)).replace(b"x" * 20, b"y" * 20),
    ],
    ids=[
        "up",
        "absolute",
        "up-within",
        "drive",
        "backslash",
        "link",
        "twice",
        "file-and-dir",
        "long",
        "empty",
        "no-zip",
        "truncated",
        "crc",
    ],
)
def test_hostile_zip_is_refused_and_writes_nothing(hostile: bytes, tmp_path: Path) -> None:
    with pytest.raises(PackageError):
        unpack(hostile, tmp_path / "code")
    assert list(tmp_path.iterdir()) == []


def test_what_only_a_function_may_not_be_is_packed_unlimited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "MAX_UNPACKED", 10_000)
    (tmp_path / "app.py").write_text("def handler(event, context): pass\n")
    (tmp_path / "model.bin").write_bytes(b"\0" * 20_000)
    service = Service.from_dir(tmp_path)
    with pytest.raises(PackageError, match="holds more than"):
        packaging.package(service)
    code = packaging.unpacked(packaging.package(service, unlimited=True), unlimited=True)
    assert (code / "model.bin").stat().st_size == 20_000


def test_a_bomb_is_refused_whatever_size_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "MAX_UNPACKED", 10_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 20_000)
    with pytest.raises(PackageError, match="unpacks to more"):
        unpack(buffer.getvalue(), tmp_path / "code")
    lying = bytearray(buffer.getvalue())
    directory = lying.index(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = (5).to_bytes(4, "little")  # the central directory's uncompressed size
    with pytest.raises(PackageError):
        unpack(bytes(lying), tmp_path / "code")
    assert list(tmp_path.iterdir()) == []


NAMES = st.text("abz.-_é", min_size=1, max_size=8).filter(lambda n: n not in (".", ".."))


@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), max_size=6))
@settings(max_examples=60, deadline=None)
def test_what_is_zipped_is_unpacked_or_refused_whole(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    target = tmp_path_factory.mktemp("zip") / "code"
    clash = any(other.startswith(name + "/") for name in files for other in files)
    if clash:
        with pytest.raises(PackageError):
            unpack(zip_of(*files.items()), target)
        assert not target.exists()
        return
    unpack(zip_of(*files.items()), target)
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == files


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_with_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    target = tmp_path_factory.mktemp("zip") / "code"
    with pytest.raises(PackageError):
        unpack(data, target)
    assert not target.exists()
