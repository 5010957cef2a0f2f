"""Writes an initramfs: the files that a kernel unpacks into memory and starts `/init` from. No root, no mount, no tool.

The format is "newc", as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst describes it: for each
file a header of hexadecimal numbers, its name and its content, both padded to four bytes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

_END = "TRAILER!!!"


class Initramfs:
    """An archive being written. Inside, everything is root's and may be read by all; directories are made when needed.

    A file that is added under several names is stored, and held in memory, once.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        self._file: BinaryIO = path.open("ab" if append else "wb")
        self._number = 0
        self._directories = {""}
        self._stored: dict[tuple[int, int], int] = {}

    def __enter__(self) -> Initramfs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._write(_END, 0, b"")
        self._file.close()

    def directory(self, name: str) -> None:
        """Make the directory `name`, and those above it."""
        name = name.strip("/")
        if name not in self._directories:
            self.directory(os.path.dirname(name))
            self._directories.add(name)
            self._write(name, stat.S_IFDIR | 0o755, b"")

    def text(self, name: str, content: str, mode: int = 0o644) -> None:
        """Make a file of `content`."""
        self.directory(os.path.dirname(name))
        self._write(name.strip("/"), stat.S_IFREG | mode, content.encode())

    def data(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Make a file of these bytes."""
        self.directory(os.path.dirname(name))
        self._write(name.strip("/"), stat.S_IFREG | mode, content)

    def link(self, name: str, goal: str) -> None:
        """Make a symbolic link."""
        self.directory(os.path.dirname(name))
        self._write(name.strip("/"), stat.S_IFLNK | 0o777, goal.encode())

    def file(self, name: str, source: Path) -> None:
        """Put the file or symbolic link `source` in as `name`, with its mode and time."""
        state = source.lstat()
        if stat.S_ISLNK(state.st_mode):
            self.link(name, os.readlink(source))
            return
        self.directory(os.path.dirname(name))
        name, mode, time = name.strip("/"), stat.S_IFREG | 0o444 | stat.S_IMODE(state.st_mode), int(state.st_mtime)
        number = self._stored.get((state.st_dev, state.st_ino))
        if number is not None:  # a hard link: the number again, and no content
            self._write(name, mode, b"", number=number, names=2, time=time)
            return
        self._write(name, mode, source.read_bytes(), names=2, time=time)
        self._stored[state.st_dev, state.st_ino] = self._number

    def tree(self, name: str, source: Path, *, without: frozenset[str] = frozenset()) -> None:
        """Put everything below `source` in below `name`, save files and directories called as in `without`."""
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            inside = f"{name.strip('/')}/{entry.name}"
            if entry.name in without:
                continue
            if entry.is_dir(follow_symlinks=False):
                self.directory(inside)
                self.tree(inside, Path(entry.path), without=without)
            else:
                self.file(inside, Path(entry.path))

    def _write(self, name: str, mode: int, data: bytes, *, number: int = 0, names: int = 1, time: int = 0) -> None:
        if not number:
            self._number += 1
        encoded = name.encode() + b"\0"
        # ino, mode, uid, gid, nlink, mtime, filesize, the two devices' majors and minors, namesize, checksum
        fields = (number or self._number, mode, 0, 0, names, time, len(data), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        for part in (head, data):
            self._file.write(part + b"\0" * (-len(part) % 4))
