"""A disk without space: a function's own /tmp, and the platform's state directory."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform, eventually, zipped
from tests.needs import needs

FILLS = zipped(
    app="""
import os

def handler(event, context):
    if event.get("free"):
        os.unlink("/tmp/filler")
    written = 0
    try:
        with open(event["file"], "wb", buffering=0) as file:
            while written < event["mb"]:
                written += file.write(bytes(2**20)) / 2**20
    except OSError as error:
        return [written, error.errno]
    return [written, 0]
"""
)
_NEWNS, _REC, _PRIVATE = 0x20000, 16384, 1 << 18  # <linux/sched.h>, <sys/mount.h>
_SIZE_MB = 8


@needs("namespaces")
def test_a_function_that_fills_its_tmp_gets_an_error_and_hurts_nobody() -> None:
    with Platform(isolation="namespaces") as platform:
        greedy, neighbour = platform.create(FILLS), platform.create(FILLS)
        written, number = platform.value(greedy, {"file": "/tmp/filler", "mb": 900})
        assert number == errno.ENOSPC
        assert 500 < written <= 512
        assert platform.value(greedy, {"file": "/tmp/more", "mb": 1})[1] == errno.ENOSPC, "it goes on, and /tmp is kept"
        assert platform.value(neighbour, {"file": "/tmp/filler", "mb": 100}) == [100, 0]
        assert platform.value(greedy, {"free": True, "file": "/tmp/more", "mb": 1}) == [1, 0]


class SmallDisk:
    """A file system of `_SIZE_MB` at `place`, in a mount namespace that a sleeping process holds."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._holder = subprocess.Popen(["sleep", "600"], preexec_fn=self._mount)
        self.seen_from_here = Path(f"/proc/{self._holder.pid}/root{place}")

    def enter(self) -> None:
        """Be where `place` is small; called in a new process."""
        number = os.open(f"/proc/{self._holder.pid}/ns/mnt", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(number, _NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(number)

    def fill(self) -> None:
        with (self.seen_from_here / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        assert os.statvfs(self.seen_from_here).f_bavail == 0

    def free(self) -> None:
        (self.seen_from_here / "filler").unlink()

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()

    def _mount(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        size = f"size={_SIZE_MB}m,mode=700".encode()
        for failed in (
            libc.unshare(_NEWNS),
            libc.mount(b"none", b"/", None, _REC | _PRIVATE, None),
            libc.mount(b"tmpfs", str(self._place).encode(), b"tmpfs", 0, size),
        ):
            if failed:
                raise OSError(ctypes.get_errno(), "mounting the small disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "state"
    place.mkdir()
    made = SmallDisk(place)
    yield made
    made.close()


@pytest.fixture
def start(disk: SmallDisk, tmp_path: Path) -> Iterator[Callable[[], Platform]]:
    with contextlib.ExitStack() as stack:

        def begin() -> Platform:
            state = str(tmp_path / "state")
            return stack.enter_context(Platform("--state", state, "--retry-scale", "0.002", preexec_fn=disk.enter))

        yield begin


def accept_until_refused(platform: Platform, name: str, log: Path) -> tuple[list[str], ClientError]:
    """Events of 100 KB each: the lines that those accepted will write, and how the first that was not was refused."""
    accepted: list[str] = []
    for _ in range(20 * _SIZE_MB):
        event: dict[str, Any] = {"append": str(log), "line": uuid.uuid4().hex, "ballast": "x" * 100_000}
        try:
            answer = platform.invoke(name, event, InvocationType="Event")
        except ClientError as error:
            return accepted, error
        assert answer["StatusCode"] == 202
        accepted.append(event["line"])
    raise AssertionError(f"the platform accepted {len(accepted)} events with no space for any")


# Only root can mount; where the tests may become another user, they are root.
@needs("unprivileged")
def test_a_full_state_directory_refuses_loses_nothing_and_recovers(
    disk: SmallDisk, start: Callable[[], Platform], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.touch()

    def arrived() -> set[str]:
        return set(log.read_text().splitlines())

    platform = start()
    name = platform.create()
    disk.fill()
    accepted, refusal = accept_until_refused(platform, name, log)
    assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    assert refusal.response["Error"]["Code"] == "ServiceException", refusal
    with pytest.raises(ClientError) as not_created:
        platform.create()
    assert not_created.value.response["Error"]["Code"] == "ServiceException", not_created.value
    assert platform.value(name, {"a": 1})["event"] == {"a": 1}, "what needs no disk goes on"
    functions = [function["FunctionName"] for function in platform.client.list_functions()["Functions"]]
    assert functions == [name], "what was refused is not there"

    disk.free()
    assert platform.invoke(name, {"append": str(log), "line": "after"}, InvocationType="Event")["StatusCode"] == 202
    eventually(lambda: arrived() >= {*accepted, "after"})
    other = platform.create()
    assert platform.value(other, {"b": 2})["event"] == {"b": 2}
    assert platform.stop() == 0

    platform = start()
    functions = [function["FunctionName"] for function in platform.client.list_functions()["Functions"]]
    assert sorted(functions) == sorted([name, other])


@needs("unprivileged")
def test_what_was_accepted_before_the_disk_was_full_outlives_the_platform(
    disk: SmallDisk, start: Callable[[], Platform], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.touch()
    platform = start()
    name = platform.create()
    platform.invoke(name, {"append": str(log), "line": "kept", "sleep": 2}, InvocationType="Event")
    disk.fill()  # while it runs: that it has ended cannot be put on disk
    eventually(lambda: "kept" in log.read_text())
    platform.process.kill()
    platform.process.wait()
    disk.free()
    platform = start()
    assert platform.value(name, {"a": 1})["event"] == {"a": 1}
    assert "kept" in log.read_text()


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with Platform() as first:
        port = first.endpoint.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "workbench.faas.serve", "--port", port, "--isolation", "process"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert f"Port {port} " in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
