"""What is kept on disk, and the queue that works it off; on a real SQLite file."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workbench.errors import DeploymentError, PackageError
from workbench.faas.aws_errors import AwsError, not_found
from workbench.faas.event_queue import EventQueue
from workbench.faas.names import function_name
from workbench.faas.storage import Storage, StoredEvent


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "x = 1\n")
    return buffer.getvalue()


def test_what_is_saved_is_there_for_the_next(tmp_path: Path) -> None:
    event = StoredEvent("id", "f", b"\x00{}", "", 1.0, 2.0, 1)

    async def write() -> None:
        first = Storage(tmp_path)
        await asyncio.gather(*(first.save_function(f"f{n}", f"record {n}") for n in range(50)))
        await first.save_event(event)
        first.close()

    asyncio.run(write())
    second = Storage(tmp_path)
    assert len(second.functions()) == 50
    assert second.events() == [event]

    async def delete() -> None:
        await second.delete_function("f")

    asyncio.run(delete())
    assert second.events() == [], "a deleted function's events are gone"
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


def deliver_all(tmp_path: Path, deliver: Callable[[StoredEvent], Awaitable[bool]]) -> list[StoredEvent]:
    """Accept one event and wait until the queue is done with it; what is left on disk."""

    async def main() -> list[StoredEvent]:
        storage = Storage(tmp_path)
        queue = EventQueue(storage, deliver, retry_scale=0.0001)
        await queue.accept("f", b"{}", "")
        async with asyncio.timeout(10):
            while len(queue):
                await asyncio.sleep(0.001)
        left = storage.events()
        storage.close()
        return left

    return asyncio.run(main())


def test_a_failing_handler_is_tried_three_times(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def fail(event: StoredEvent) -> bool:
        attempts.append(event.attempts)
        return False

    assert deliver_all(tmp_path, fail) == []
    assert attempts == [0, 1, 2]


def test_a_throttle_is_no_attempt(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def throttled_at_first(event: StoredEvent) -> bool:
        attempts.append(event.attempts)
        if len(attempts) < 6:
            raise AwsError("TooManyRequestsException", "Rate Exceeded.")
        return True

    assert deliver_all(tmp_path, throttled_at_first) == []
    assert attempts == [0] * 6


def test_an_event_of_a_deleted_function_is_given_up(tmp_path: Path) -> None:
    async def gone(event: StoredEvent) -> bool:
        raise not_found("f")

    assert deliver_all(tmp_path, gone) == []


def test_an_event_is_on_disk_before_it_is_delivered_and_until_it_is_done(tmp_path: Path) -> None:
    async def main() -> None:
        storage = Storage(tmp_path)
        running, go_on = asyncio.Event(), asyncio.Event()

        async def deliver(event: StoredEvent) -> bool:
            running.set()
            await go_on.wait()
            return True

        queue = EventQueue(storage, deliver)
        identity = await queue.accept("f", b"{}", "")
        assert [e.id for e in storage.events()] == [identity]
        await running.wait()
        await queue.close()  # as at the platform's end: not done with
        assert [e.id for e in storage.events()] == [identity]
        again = EventQueue(storage, deliver)
        go_on.set()
        assert again.resume() == 1
        while len(again):
            await asyncio.sleep(0.001)
        assert storage.events() == []
        storage.close()

    asyncio.run(main())


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
