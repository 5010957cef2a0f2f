"""The queue of asynchronous invocations, on a real SQLite file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workbench.faas.asynchronous.destinations import Attempt, Rules
from workbench.faas.asynchronous.event_queue import MAX_HOPS, EventQueue
from workbench.faas.asynchronous.event_store import EventStore, StoredEvent, StoredMessage
from workbench.faas.aws_errors import AwsError, not_found
from workbench.faas.functions.storage import Storage

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:"
OK = Attempt("$LATEST", '"fine"')
FAILED = Attempt("$LATEST", '{"errorMessage": "no"}', "Unhandled")


@dataclass
class Seen:
    """What was delivered and sent, and what is left when the queue is idle."""

    delivered: list[StoredEvent] = field(default_factory=list)
    sent: list[StoredMessage] = field(default_factory=list)
    left: list[StoredEvent] = field(default_factory=list)
    outbox: list[StoredMessage] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


Answer = Callable[[StoredEvent], Attempt | Exception]


def work_off(
    directory: Path,
    answer: Answer,
    *,
    rules: Callable[[StoredEvent], Rules] = lambda _: Rules(ARN + "f"),
    send: Callable[[StoredMessage], Awaitable[None]] | None = None,
    store: Callable[[Storage], EventStore] = EventStore,
    events: Sequence[tuple[str, str]] = (("f", ""),),
    scale: float = 0.0001,
) -> Seen:
    """Accept `events` (function and qualifier) and wait until the queue is done with all that follows."""
    seen = Seen()

    async def deliver(event: StoredEvent) -> Attempt:
        seen.delivered.append(event)
        found = answer(event)
        if isinstance(found, Exception):
            raise found
        return found

    async def record(message: StoredMessage) -> None:
        if send is not None:
            await send(message)
        seen.sent.append(message)

    async def main() -> None:
        storage = Storage(directory)
        kept = store(storage)
        queue = EventQueue(kept, deliver, rules=rules, send=record, retry_scale=scale)
        for function, qualifier in events:
            await queue.accept(function, b'{"n": 1}', "", qualifier)
        async with asyncio.timeout(20):
            while len(queue):
                await asyncio.sleep(0.001)
        seen.left, seen.outbox, seen.counts = kept.events(), kept.messages(), queue.counts()
        storage.close()

    asyncio.run(main())
    return seen


def test_a_failing_handler_is_tried_three_times(tmp_path: Path) -> None:
    seen = work_off(tmp_path, lambda _: FAILED)
    assert [event.attempts for event in seen.delivered] == [0, 1, 2]
    assert seen.left == []
    assert seen.counts["retried"] == 2
    assert seen.counts["dropped_retries"] == 1


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_function_chooses_how_often_it_is_tried(tmp_path: Path, retries: int) -> None:
    seen = work_off(tmp_path, lambda _: FAILED, rules=lambda _: Rules(ARN + "f", retries=retries))
    assert len(seen.delivered) == retries + 1


def test_a_throttle_is_no_attempt(tmp_path: Path) -> None:
    answers = iter([AwsError("TooManyRequestsException", "Rate Exceeded.")] * 5)
    seen = work_off(tmp_path, lambda _: next(answers, OK))
    assert [event.attempts for event in seen.delivered] == [0] * 6
    assert seen.counts["delivered"] == 1
    assert seen.counts["retried"] == 5


def test_a_fault_of_the_platform_is_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers = iter([RuntimeError("a bug")])
    assert work_off(tmp_path, lambda _: next(answers, OK)).counts["delivered"] == 1
    assert "a bug" in capfd.readouterr().err


def test_an_event_of_a_deleted_function_is_given_up(tmp_path: Path) -> None:
    seen = work_off(tmp_path, lambda _: not_found("f"), rules=lambda _: Rules(ARN + "f", on_failure=QUEUE + "q"))
    assert len(seen.delivered) == 1
    assert seen.left == []
    assert seen.sent == []


def test_an_event_that_would_be_too_old_for_its_next_try_ends_at_once(tmp_path: Path) -> None:
    rules = Rules(ARN + "f", max_age_s=30.0, on_failure=QUEUE + "q")
    seen = work_off(tmp_path, lambda _: FAILED, rules=lambda _: rules, scale=1.0)  # the next try is in 60 s
    assert len(seen.delivered) == 1
    record = json.loads(seen.sent[0].body)
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"] == {"errorMessage": "no"}
    assert seen.counts["dropped_age"] == 1


def test_a_closed_function_passes_its_events_on_at_once(tmp_path: Path) -> None:
    rules = Rules(ARN + "f", dead_letter=QUEUE + "dead", on_failure=QUEUE + "q", closed=True)
    seen = work_off(tmp_path, lambda _: AwsError("TooManyRequestsException", "Rate Exceeded."), rules=lambda _: rules)
    assert len(seen.delivered) == 1
    kinds = {message.kind: message for message in seen.sent}
    assert json.loads(kinds["failure"].body)["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert "responseContext" not in json.loads(kinds["failure"].body)
    assert kinds["dead-letter"].body == b'{"n": 1}'


def test_success_and_failure_are_told_to_their_destinations(tmp_path: Path) -> None:
    rules = Rules(ARN + "f", on_success=QUEUE + "good", on_failure=QUEUE + "bad", dead_letter=QUEUE + "dead")
    good = work_off(tmp_path / "1", lambda _: OK, rules=lambda _: rules)
    assert [(m.target, m.kind) for m in good.sent] == [(QUEUE + "good", "success")]
    bad = work_off(tmp_path / "2", lambda _: FAILED, rules=lambda _: rules)
    assert {m.target for m in bad.sent} == {QUEUE + "bad", QUEUE + "dead"}
    assert good.outbox == bad.outbox == []


def test_a_function_as_destination_is_invoked_with_the_record_through_the_same_queue(tmp_path: Path) -> None:
    def rules(event: StoredEvent) -> Rules:
        return Rules(ARN + event.function, on_success=ARN + "next:live" if event.function == "f" else "")

    seen = work_off(tmp_path, lambda _: OK, rules=rules)
    assert [(e.function, e.qualifier, e.hops) for e in seen.delivered] == [("f", "", 0), ("next", "live", 1)]
    record = json.loads(seen.delivered[1].payload)
    assert record["requestContext"]["requestId"] == seen.delivered[0].id
    assert record["responsePayload"] == "fine"
    assert seen.counts["accepted"] == seen.counts["delivered"] == 2


def test_a_loop_of_functions_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = {"a": "b", "b": "a"}
    seen = work_off(
        tmp_path,
        lambda _: OK,
        rules=lambda e: Rules(ARN + e.function, on_success=ARN + other[e.function]),
        events=[("a", "")],
    )
    assert len(seen.delivered) == MAX_HOPS + 1
    assert "went through" in capfd.readouterr().err
    assert seen.counts["destination_failures"] == 1


def test_a_destination_that_fails_is_tried_again_and_the_message_is_kept_meanwhile(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tries: list[str] = []

    async def send(message: StoredMessage) -> None:
        tries.append(message.id)
        if len(tries) < 4:
            raise ConnectionError("nobody there")

    seen = work_off(tmp_path, lambda _: OK, rules=lambda _: Rules(ARN + "f", on_success=QUEUE + "q"), send=send)
    assert len(tries) == 4
    assert len(set(tries)) == 1
    assert seen.counts["destination_failures"] == 3
    assert "nobody there" in capfd.readouterr().err


def test_a_message_too_old_is_given_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def send(message: StoredMessage) -> None:
        raise ConnectionError("nobody there")

    rules = Rules(ARN + "f", max_age_s=0.5, on_success=QUEUE + "q")
    seen = work_off(tmp_path, lambda _: OK, rules=lambda _: rules, send=send, scale=1.0)  # the next try is in 1 s
    assert seen.outbox == []
    assert "given up" in capfd.readouterr().err


def test_a_destination_function_that_is_gone_may_come_back(tmp_path: Path) -> None:
    missing = iter([not_found("next")] * 3)

    def answer(event: StoredEvent) -> Attempt | Exception:
        return OK if event.function == "f" else next(missing, OK)

    def rules(event: StoredEvent) -> Rules:
        return Rules(ARN + event.function, on_success=ARN + "next" if event.function == "f" else "")

    seen = work_off(tmp_path, answer, rules=rules)
    assert seen.counts["delivered"] == 2
    assert seen.counts["destination_failures"] == 3


class FullDisk(EventStore):
    """Refuses a few writes once something was accepted."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self.refusals = 2

    async def settle(self, done: str = "", *more: object) -> None:
        if done and self.refusals:
            self.refusals -= 1
            raise sqlite3.OperationalError("database or disk is full")
        await super().settle(done, *more)  # type: ignore[arg-type]


def test_a_full_disk_delays_the_end_of_an_event_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workbench.faas.asynchronous.event_queue._DISK_RETRY_S", 0.001)
    seen = work_off(tmp_path, lambda _: OK, rules=lambda _: Rules(ARN + "f", on_success=QUEUE + "q"), store=FullDisk)
    assert len(seen.delivered) == len(seen.sent) == 1
    assert seen.left == seen.outbox == []
    assert "disk is full" in capfd.readouterr().err


def test_one_function_that_hangs_does_not_hold_up_another(tmp_path: Path) -> None:
    async def main() -> None:
        storage = Storage(tmp_path)
        other = asyncio.Event()

        async def deliver(event: StoredEvent) -> Attempt:
            if event.function == "slow":
                await asyncio.Event().wait()
            other.set()
            return OK

        queue = EventQueue(EventStore(storage), deliver)
        for _ in range(250):
            await queue.accept("slow", b"{}", "")
        await queue.accept("quick", b"{}", "")
        async with asyncio.timeout(20):
            await other.wait()
        await queue.close()
        storage.close()

    asyncio.run(main())


def test_an_event_is_on_disk_before_it_is_delivered_and_until_it_is_done(tmp_path: Path) -> None:
    async def main() -> None:
        storage = Storage(tmp_path)
        store = EventStore(storage)
        running, go_on = asyncio.Event(), asyncio.Event()

        async def deliver(event: StoredEvent) -> Attempt:
            running.set()
            await go_on.wait()
            return OK

        queue = EventQueue(store, deliver)
        identity = await queue.accept("f", b"{}", "", "live")
        assert [(e.id, e.qualifier) for e in store.events()] == [(identity, "live")]
        await running.wait()
        await queue.close()  # as at the platform's end: not done with
        assert [e.id for e in store.events()] == [identity]
        again = EventQueue(store, deliver)
        go_on.set()
        assert again.resume() == 1
        while len(again):
            await asyncio.sleep(0.001)
        assert store.events() == []
        storage.close()

    asyncio.run(main())


def test_tries_are_counted_across_a_restart(tmp_path: Path) -> None:
    """The second platform goes on where the first stopped, and tells what the last answer was."""

    async def main() -> list[StoredMessage]:
        storage = Storage(tmp_path)
        store = EventStore(storage)
        failed, sent = asyncio.Event(), []

        async def deliver(event: StoredEvent) -> Attempt:
            failed.set()
            return FAILED

        async def send(message: StoredMessage) -> None:
            sent.append(message)

        rules = Rules(ARN + "f", retries=1, on_failure=QUEUE + "q")
        first = EventQueue(store, deliver, rules=lambda _: rules)
        await first.accept("f", b"{}", "")
        while not (kept := store.events()) or kept[0].attempts == 0:
            await asyncio.sleep(0.001)
        await first.close()
        storage.rows("SELECT 1")
        await storage.write([("UPDATE queue SET due_s = 0", ())])
        second = EventQueue(store, deliver, rules=lambda _: rules, send=send)
        second.resume()
        while len(second):
            await asyncio.sleep(0.001)
        storage.close()
        return sent

    (message,) = asyncio.run(main())
    assert json.loads(message.body)["requestContext"]["approximateInvokeCount"] == 2


def test_a_message_left_in_the_outbox_is_sent_by_the_next_platform(tmp_path: Path) -> None:
    async def main() -> list[str]:
        storage = Storage(tmp_path)
        store = EventStore(storage)
        message = StoredMessage("m", "f", QUEUE + "q", "success", b"{}", "", 1.0, 4e9)
        await store.settle(messages=[message])
        sent: list[str] = []

        async def send(message: StoredMessage) -> None:
            sent.append(message.id)

        queue = EventQueue(store, lambda _: asyncio.sleep(0, OK), send=send)
        queue.resume()
        while len(queue):
            await asyncio.sleep(0.001)
        assert store.messages() == []
        storage.close()
        return sent

    assert asyncio.run(main()) == ["m"]
