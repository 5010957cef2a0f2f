"""The root file system: what is in it, that its interpreter runs on it alone, and how it is kept."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.needs import needs
from workbench.errors import CapabilityMissing
from workbench.isolation import libraries, rootfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is made of Linux programs")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rootfs.root_fs.cache_clear()
    rootfs.runtime_dir.cache_clear()
    yield tmp_path / "workbench"
    rootfs.root_fs.cache_clear()
    rootfs.runtime_dir.cache_clear()


def test_it_holds_the_interpreter_the_runtimes_and_the_mount_points() -> None:
    root = rootfs.root_fs()
    assert os.access(root / rootfs.interpreter().lstrip("/"), os.X_OK)
    for name in ("var/task", "tmp", "proc", "dev", "run/workbench"):
        assert not list((root / name).iterdir())
    assert (root / "var/runtime/http_host.py").read_bytes() == (rootfs.runtime_dir() / "http_host.py").read_bytes()
    assert (root / "var/runtime/awslambdaric/bootstrap.py").is_file()
    library = root / "usr/local/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert not {"test", "idlelib", "tkinter", "site-packages"} & {path.name for path in library.iterdir()}


def test_everybody_may_read_all_of_it_and_nothing_is_special() -> None:
    root = rootfs.root_fs()
    for directory, _, names in os.walk(root):
        assert os.stat(directory).st_mode & 0o555 == 0o555, directory
        for name in names:
            mode = os.lstat(os.path.join(directory, name)).st_mode
            assert stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and mode & 0o444 == 0o444), name
            assert not mode & (stat.S_ISUID | stat.S_ISGID)


def test_no_link_leads_out_of_it() -> None:
    root = rootfs.root_fs()
    for directory, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(directory, name)
            assert not path.is_symlink() or path.resolve().is_relative_to(root), path


def test_every_module_is_compiled_and_believed() -> None:
    """A cold start that compiles takes several times as long, and cannot keep what it compiled."""
    library = rootfs.root_fs() / "usr/local/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in ("json/__init__", "socketserver", "urllib/request", "asyncio/base_events"):
        folder, _, module = name.rpartition("/")
        compiled = library / folder / "__pycache__" / f"{module}.{sys.implementation.cache_tag}.pyc"
        header = compiled.read_bytes()[:16]
        flags, time_or_hash = int.from_bytes(header[4:8], "little"), int.from_bytes(header[8:12], "little")
        source = (library / f"{name}.py").stat()
        assert flags == 1 or (flags == 0 and time_or_hash == int(source.st_mtime)), name


def test_the_runtime_directory_holds_what_was_asked_for_and_no_more(own_cache: Path) -> None:
    import six  # an imported one calls itself a package without places

    assert six.__spec__ is not None
    names = {path.name for path in rootfs.runtime_dir().iterdir() if path.suffix not in (".py", ".mjs")}
    assert {"awslambdaric", "boto3", "botocore", "six"} - names == {"six"}
    assert not {"pytest", "numpy", "moto"} & {path.name for path in rootfs.runtime_dir().rglob("*")}


@needs("unprivileged")
def test_its_interpreter_runs_on_it_alone() -> None:
    root = rootfs.root_fs()
    program = "import ssl, ctypes, sqlite3, lzma, decimal, sys; print(sys.prefix, sys.version_info[:2])"
    # chroot hides every library of this machine.
    done = subprocess.run(
        ["chroot", str(root), rootfs.interpreter(), "-I", "-S", "-B", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.strip() == f"/usr/local {sys.version_info[:2]}", done.stderr


def test_it_is_built_once_also_by_many_at_a_time(own_cache: Path) -> None:
    program = "from workbench.isolation import rootfs; print(rootfs.root_fs())"
    with ThreadPoolExecutor(3) as pool:
        runs = list(
            pool.map(
                lambda _: subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False),
                range(3),
            )
        )
    assert {run.stdout.strip() for run in runs} == {str(rootfs.root_fs())}, [run.stderr for run in runs]
    kept = sorted(path.name for path in own_cache.iterdir())
    assert len(kept) == 2, kept  # one root, one runtime directory, nothing half-built
    before = rootfs.root_fs().stat().st_mtime_ns
    rootfs.root_fs.cache_clear()
    assert rootfs.root_fs().stat().st_mtime_ns == before


def test_a_build_that_fails_leaves_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(own_cache))  # no ldd
    with pytest.raises(CapabilityMissing, match="ldd"):
        rootfs.root_fs()
    assert [path.name for path in own_cache.iterdir()] == [rootfs.runtime_dir().name]


def test_the_libraries_of_a_program_are_found() -> None:
    executable = Path(os.path.realpath(sys.executable))
    found = libraries.closure([executable])
    assert any(name.startswith("libc.") for name in found)
    assert all(path.is_absolute() and path.exists() for path in found.values())
    assert Path(libraries.loader(executable)).exists()


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(CapabilityMissing, match="not a 64-bit ELF"):
        libraries.loader(script)
