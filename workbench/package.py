"""A service made ready to deploy: a reproducible ZIP (same files, same digest), and its safe unpacking.

Limits are AWS Lambda's own (developer guide, "Lambda quotas"): 50 MB zipped, 250 MB unpacked. Where something else runs
the package, or is to say itself that it will not, it is made `unlimited`: up to what is handled in memory here.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workbench.errors import PackageError
from workbench.service import Service
from workbench.session import cache_dir, unfinished_prefix

MAX_ZIPPED = 50 * 2**20
MAX_UNPACKED = 250 * 2**20
MAX_IN_MEMORY = 2**30
MAX_FILES = 50_000

EXCLUDED = (
    ".git", ".hg", ".svn", ".DS_Store", ".venv", "venv", "__pycache__", "*.pyc", "*.pyo",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".idea", ".vscode", ".env",
)  # fmt: skip
"""Left out wherever they stand: tools' leavings, version control, and `.env`, which tends to hold secrets."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a ZIP can hold; the same for all, so the clock leaves no trace


@dataclass(frozen=True)
class Package:
    """A service's ZIP at `path`, with the digest and size of its bytes."""

    service: Service
    path: Path
    sha256: str
    size_bytes: int


def package(service: Service, *, unlimited: bool = False) -> Package:
    """Zip the service's directory reproducibly; raises PackageError when it is empty, too large or unreadable."""
    data = _zip(service.source, MAX_IN_MEMORY if unlimited else MAX_UNPACKED)
    if len(data) > MAX_ZIPPED and not unlimited:
        raise PackageError(
            f"{service.source} makes a ZIP of {len(data) / 2**20:.0f} MB; the limit is {MAX_ZIPPED // 2**20} MB. "
            "Leave out what the handler does not need."
        )
    digest = hashlib.sha256(data).hexdigest()
    path = _cached("packages") / f"{digest}.zip"
    if not path.exists():
        _write_atomically(path, data)
    return Package(service, path, digest, len(data))


def unpacked(ready: Package, *, unlimited: bool = False) -> Path:
    """The package's files in a directory shared by all its instances; never written to after it is made."""
    target = _cached("unpacked") / ready.sha256
    if target.is_dir():
        return target
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=unfinished_prefix()))
    try:
        unpack(ready.path, scratch / "code", MAX_IN_MEMORY if unlimited else MAX_UNPACKED)
        (scratch / "code").rename(target)
    except OSError:
        if not target.is_dir():  # else another process was quicker, with the same content
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def unpack(archive: Path | bytes, target: Path, most: int | None = None) -> None:
    """Unpack a ZIP into the new directory `target`; a hostile or oversized one raises PackageError, nothing written.

    Refused: names that leave the directory, links and special files, names that stand twice, more than `most` bytes
    (250 MB) or 50,000 files unpacked (declared or real), encrypted or corrupt archives.
    """
    most = MAX_UNPACKED if most is None else most
    source = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    try:
        with zipfile.ZipFile(source) as file:
            members = _checked(file, most)
            contents = list(_read(file, members, most))
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError, zlib.error) as error:
        raise PackageError(f"This is not a ZIP that can be unpacked ({error}). Make it anew.") from error
    target.mkdir(mode=0o755, parents=True)
    for name, executable, data in contents:
        path = target.joinpath(*PurePosixPath(name).parts)
        try:
            if data is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise PackageError(f"The ZIP has {name!r} both as a file and as a directory. Make it anew.") from error
        path.chmod(0o755 if executable else 0o644)
    for directory, _, _ in os.walk(target):
        os.chmod(directory, 0o755)


def _zip(source: Path, most: int) -> bytes:
    buffer = io.BytesIO()
    total = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in _files(source):
            try:
                data = path.read_bytes()
                executable = bool(path.stat().st_mode & stat.S_IXUSR)
            except OSError as error:
                raise PackageError(f"{path} cannot be read ({error.strerror}). Mend it or leave it out.") from error
            total += len(data)
            if total > most:
                raise PackageError(
                    f"{source} holds more than {most // 2**20} MB. Leave out what the handler does not need."
                )
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is: it decides how the mode is read
            entry.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 6)
    if not total:
        raise PackageError(f"{source} holds no file to deploy.")
    return buffer.getvalue()


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    """Every file to pack with its name in the ZIP, sorted; a link is followed only while it stays inside."""
    inside = source.resolve()
    found: list[tuple[str, Path]] = []
    for directory, folders, names in os.walk(source, followlinks=False):
        folders[:] = [f for f in folders if not _excluded(f)]
        here = Path(directory)
        for name in [*names, *(f for f in folders if (here / f).is_symlink())]:
            path = here / name
            if _excluded(name):
                continue
            real = path.resolve()
            if path.is_symlink() and not (real.is_file() and real.is_relative_to(inside)):
                raise PackageError(f"{path} is a link that leads out of {source} or to no file. Put a copy there.")
            if not real.is_file():
                raise PackageError(f"{path} is neither a file nor a directory. Leave it out.")
            found.append((path.relative_to(source).as_posix(), path))
    return iter(sorted(found))


def _excluded(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in EXCLUDED)


def _checked(file: zipfile.ZipFile, most: int) -> list[zipfile.ZipInfo]:
    members = file.infolist()
    if len(members) > MAX_FILES:
        raise PackageError(f"The ZIP has {len(members)} entries; the limit is {MAX_FILES}.")
    if sum(m.file_size for m in members) > most:
        raise PackageError(f"The ZIP unpacks to more than {most // 2**20} MB.")
    seen: set[tuple[str, ...]] = set()
    for member in members:
        _check_name(member)
        parts = PurePosixPath(member.filename).parts
        if parts in seen:
            raise PackageError(f"The ZIP has {member.filename!r} twice. Make it anew.")
        seen.add(parts)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.create_system == 3 and kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PackageError(f"The ZIP holds a link or special file, {member.filename!r}; only files are taken.")
        if member.flag_bits & 0x1:
            raise PackageError(f"{member.filename!r} in the ZIP is encrypted. Make it without a password.")
    return members


def _check_name(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or "\0" in name
        or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in path.parts)
        or len(name) > 4000
        or (len(name) > 1 and name[1] == ":")
    ):
        raise PackageError(f"The ZIP has an entry named {name[:80]!r}, which does not stay in its directory.")


def _read(file: zipfile.ZipFile, members: list[zipfile.ZipInfo], most: int) -> Iterator[tuple[str, bool, bytes | None]]:
    # The declared sizes may lie: what is really read counts too, and nothing is written until all is read.
    left = most
    for member in members:
        executable = bool(member.external_attr >> 16 & stat.S_IXUSR)
        if member.is_dir():
            yield member.filename, executable, None
            continue
        with file.open(member) as stream:
            data = stream.read(left + 1)
        left -= len(data)
        if left < 0:
            raise PackageError(f"The ZIP unpacks to more than {most // 2**20} MB.")
        yield member.filename, executable, data


def _cached(kind: str) -> Path:
    path = cache_dir() / kind
    path.mkdir(exist_ok=True)
    return path


def _write_atomically(path: Path, data: bytes) -> None:
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=unfinished_prefix())
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(scratch, path)
