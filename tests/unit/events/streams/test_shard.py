"""The state machine of a shard, without clock or I/O."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.streams.records import (
    Again,
    Batch,
    Command,
    Failed,
    GivenUp,
    Halved,
    Outcome,
    Policy,
    Record,
    Refused,
    Send,
    Took,
)
from workbench.events.streams.shard import Checkpoint, Shard


def record(number: int, key: str = "k", arrived_s: float = 0.0) -> Record:
    return Record(str(number), key, arrived_s, f'{{"n":{number}}}')


def records(count: int, first: int = 1) -> list[Record]:
    return [record(n) for n in range(first, first + count)]


def sent(commands: list[Command]) -> list[Batch]:
    return [command.batch for command in commands if isinstance(command, Send)]


def numbers(batch: Batch) -> list[int]:
    return [int(sequence) for sequence in batch.sequences]


# ---- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_made_at_once_and_the_next_when_it_is_done() -> None:
    shard = Shard(Policy(batch_size=3))
    (first,) = sent(shard.read(0, records(5)))
    assert numbers(first) == [1, 2, 3]
    assert shard.read(0, records(1, 6)) == []
    (second,) = sent(shard.settle(0, first, Took()))
    assert (numbers(second), shard.checkpoint.after) == ([4, 5, 6], "3")
    assert shard.settle(0, second, Took()) == []
    assert (shard.checkpoint.after, shard.unfinished, shard.drained) == ("6", 0, True)


def test_a_window_waits_until_it_is_over_or_the_batch_is_full() -> None:
    shard = Shard(Policy(batch_size=3, window_s=10))
    assert shard.read(100, records(1)) == []
    assert shard.wake_s() == 110
    assert shard.tick(109.9) == []
    (batch,) = sent(shard.tick(110))
    assert numbers(batch) == [1]
    (full,) = sent([*shard.settle(111, batch, Took()), *shard.read(111, records(4, 2))])
    assert numbers(full) == [2, 3, 4]


def test_a_batch_has_no_more_bytes_than_a_payload() -> None:
    shard = Shard(Policy(batch_size=100))
    large = [replace(r, body="x" * 2_500_000) for r in records(5)]
    (first,) = sent(shard.read(0, large))
    assert numbers(first) == [1, 2]
    alone = [replace(r, body="x" * 7_000_000) for r in records(2, 6)]
    assert numbers(sent(Shard(Policy()).read(0, alone))[0]) == [6]


def test_what_no_filter_wants_is_passed() -> None:
    shard = Shard(Policy(batch_size=10))
    (batch,) = sent(shard.read(0, records(4), skipped={"1", "3", "4"}))
    assert (numbers(batch), shard.checkpoint.after) == ([2], "1")
    shard.settle(0, batch, Took())
    assert shard.checkpoint.after == "4"


def test_lanes_keep_the_order_of_a_key_and_the_checkpoint_waits_for_the_slowest() -> None:
    shard = Shard(Policy(batch_size=1, parallel=2))
    a, b = "a", next(k for k in "bcdefgh" if _lane(k) != _lane("a"))
    flying = sent(shard.read(0, [record(1, a), record(2, b), record(3, a), record(4, b)]))
    assert [numbers(batch) for batch in flying] in ([[1], [2]], [[2], [1]])
    slow, quick = sorted(flying, key=numbers)
    (last,) = sent(shard.settle(0, quick, Took()))
    shard.settle(0, last, Took())
    assert shard.checkpoint.after == ""
    (third,) = sent(shard.settle(0, slow, Took()))
    assert (numbers(third), shard.checkpoint.after) == ([3], "2")
    shard.settle(0, third, Took())
    assert shard.checkpoint.after == "4"


def _lane(key: str) -> int:
    shard = Shard(Policy(parallel=2))
    return sent(shard.read(0, [record(1, key)]))[0].lane


def test_what_is_blocked_does_not_fill_the_memory() -> None:
    shard = Shard(Policy(batch_size=10, max_retries=-1))
    room = shard.room
    shard.read(0, records(room))
    assert shard.room == 0


def test_nothing_is_sent_after_stop() -> None:
    shard = Shard(Policy(batch_size=1))
    (batch,) = sent(shard.read(0, records(2)))
    shard.stop()
    assert sent(shard.settle(0, batch, Took())) == []
    assert (shard.checkpoint.after, shard.wake_s()) == ("1", None)


def test_a_closed_shard_is_finished_when_all_of_it_is_done_with() -> None:
    shard = Shard(Policy(batch_size=10, window_s=300))
    shard.read(0, records(2))
    (batch,) = sent(shard.end(1))
    assert not shard.finished
    shard.settle(2, batch, Took())
    assert shard.checkpoint == Checkpoint("2", None, True)


# ---- failures --------------------------------------------------------------------------------------------------------


def test_a_failed_batch_blocks_and_is_tried_with_growing_delays_until_its_retries_are_used_up() -> None:
    shard = Shard(Policy(batch_size=2, max_retries=2, scale=0.5))
    (batch,) = sent(shard.read(0, records(3)))
    delays, now = [], 0.0
    for _ in range(2):
        (again,) = shard.settle(now, batch, Failed())
        assert isinstance(again, Again)
        delays.append(again.batch.due_s - now)
        assert shard.wake_s() == again.batch.due_s
        now = again.batch.due_s
        (batch,) = sent(shard.tick(now))
    assert delays == [0.5, 1.0]
    given_up, following = shard.settle(now, batch, Failed())
    assert given_up == GivenUp(replace(batch, failures=3), "RetryAttemptsExhausted")
    assert batch.tries == 3
    assert isinstance(following, Send)
    assert (numbers(following.batch), shard.checkpoint.after) == ([3], "2")


def test_halves_go_one_after_the_other_and_halving_is_no_retry() -> None:
    shard = Shard(Policy(batch_size=4, max_retries=0, bisect=True))
    (batch,) = sent(shard.read(0, records(5)))
    halved, send = shard.settle(0, batch, Failed())
    assert isinstance(halved, Halved)
    assert [numbers(half) for half in halved.halves] == [[1, 2], [3, 4]]
    (left,) = sent([send])
    (right,) = sent(shard.settle(0, left, Took()))
    (three,) = sent(shard.settle(0, right, Failed()))
    given_up, four = shard.settle(0, three, Failed())
    assert isinstance(given_up, GivenUp)
    assert (given_up.batch.sequences, given_up.batch.tries) == (("3",), 3)
    (five,) = sent(shard.settle(0, sent([four])[0], Took()))
    assert numbers(five) == [5]


def test_from_the_lowest_failed_record_on_it_is_tried_again() -> None:
    shard = Shard(Policy(batch_size=4))
    (batch,) = sent(shard.read(0, records(4)))
    (again,) = shard.settle(0, batch, Failed("3"))
    assert isinstance(again, Again)
    assert (numbers(again.batch), shard.checkpoint.after) == ([3, 4], "2")
    (rest,) = sent(shard.tick(again.batch.due_s))
    (whole,) = shard.settle(0, rest, Failed("no such record"))
    assert isinstance(whole, Again)
    assert numbers(whole.batch) == [3, 4]


def test_a_function_that_cannot_be_run_uses_no_retry() -> None:
    shard = Shard(Policy(max_retries=0))
    (batch,) = sent(shard.read(0, records(1)))
    now, delays = 0.0, []
    for _ in range(9):
        (again,) = shard.settle(now, batch, Refused())
        assert isinstance(again, Again)
        delays.append(again.batch.due_s - now)
        now = again.batch.due_s
        (batch,) = sent(shard.tick(now))
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert batch.tries == 1
    shard.settle(now, batch, Took())
    assert shard.checkpoint.after == "1"


def test_records_that_are_too_old_are_given_up_also_while_their_batch_waits_for_its_next_try() -> None:
    shard = Shard(Policy(batch_size=10, max_age_s=60))
    old, young = record(1, arrived_s=30), record(2, arrived_s=100)
    given_up, send = shard.read(100, [old, young])
    assert given_up == GivenUp(Batch(1, 0, (old,)), "RecordAgeExceeded")
    (batch,) = sent([send])
    shard.settle(159.9, batch, Failed())
    assert shard.wake_s() == 160
    (aged,) = shard.tick(160)
    assert isinstance(aged, GivenUp)
    assert (aged.batch.sequences, aged.batch.tries, shard.drained) == (("2",), 1, True)


# ---- whatever happens ------------------------------------------------------------------------------------------------


class Run:
    """A shard with a function that answers as drawn, until all is done with; what happened to each record."""

    def __init__(self, policy: Policy, poison: set[int], seed: int, *, kills: int = 0) -> None:
        self.draw = random.Random(seed)
        self.poison, self.policy, self.kills = poison, policy, kills
        self.answered: list[int] = []
        self.given_up: list[int] = []
        self.ended: list[int] = []
        self.flying: list[Batch] = []
        self.now = 0.0
        self.shard = Shard(policy)

    def go(self, stream: list[Record], skipped: set[str]) -> None:
        left = list(stream)
        while left or not self.shard.drained:
            action = self.draw.random()
            if self.kills and action < 0.05:
                left = self.killed(stream)
            elif (left and action < 0.4) or (not self.flying and left):
                count = self.draw.randint(1, 5)
                self.take(self.shard.read(self.now, left[:count], skipped))
                left = left[count:]
            elif self.flying:
                self.settle(self.flying.pop(self.draw.randrange(len(self.flying))))
            else:
                wake = self.shard.wake_s()
                assert wake is not None, "nothing flies, nothing is due, and records are left"
                self.now = max(self.now, wake)
                self.take(self.shard.tick(self.now))

    def killed(self, stream: list[Record]) -> list[Record]:
        self.kills -= 1
        checkpoint = self.shard.checkpoint
        self.shard, self.flying = Shard(self.policy, checkpoint), []
        return stream[int(checkpoint.after or 0) :]

    def settle(self, batch: Batch) -> None:
        outcome = self.outcome(batch)
        before = len(batch.records)
        if isinstance(outcome, Failed):
            before = batch.sequences.index(outcome.first) if outcome.first else 0
        elif isinstance(outcome, Refused):
            before = 0
        self.answered += numbers(batch)[:before]
        self.ended += numbers(batch)[:before]
        self.take(self.shard.settle(self.now, batch, outcome))

    def outcome(self, batch: Batch) -> Outcome:
        bad = [n for n in numbers(batch) if n in self.poison]
        if self.draw.random() < 0.1:
            return Refused()
        if self.draw.random() < 0.1:
            return Failed()
        if bad:
            return Failed(str(bad[0]) if self.draw.random() < 0.5 else None)
        return Took()

    def take(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Send):
                self.flying.append(command.batch)
            elif isinstance(command, GivenUp):
                self.given_up += numbers(command.batch)
                self.ended += numbers(command.batch)


POLICIES = st.builds(
    Policy,
    batch_size=st.integers(1, 7),
    window_s=st.sampled_from([0.0, 5.0]),
    parallel=st.integers(1, 4),
    bisect=st.booleans(),
    max_retries=st.integers(0, 3),
    max_age_s=st.sampled_from([-1, -1, 40]),
)


@settings(deadline=None, max_examples=60)
@given(POLICIES, st.integers(1, 40), st.sets(st.integers(1, 40), max_size=5), st.integers(0, 2**32), st.booleans())
def test_every_record_is_answered_or_given_up_once_and_each_key_keeps_its_order(
    policy: Policy, count: int, poison: set[int], seed: int, filtered: bool
) -> None:
    stream = [record(n, key=f"k{n % 5}") for n in range(1, count + 1)]
    skipped = {str(n) for n in range(1, count + 1) if filtered and n % 3 == 0}
    run = Run(policy, poison, seed)
    run.go(stream, skipped)
    ended = sorted(run.answered + run.given_up)
    assert ended == [n for n in range(1, count + 1) if str(n) not in skipped]
    assert run.shard.checkpoint.after == str(count)
    assert not poison & set(run.answered)
    for key in range(5):
        mine = [n for n in run.ended if n % 5 == key]
        assert mine == sorted(mine)


@settings(deadline=None, max_examples=60)
@given(POLICIES, st.integers(1, 40), st.sets(st.integers(1, 40), max_size=5), st.integers(0, 2**32))
def test_whenever_it_is_killed_nothing_is_skipped(policy: Policy, count: int, poison: set[int], seed: int) -> None:
    run = Run(policy, poison, seed, kills=5)
    run.go([record(n, key=f"k{n % 5}") for n in range(1, count + 1)], set())
    assert set(run.answered) | set(run.given_up) == set(range(1, count + 1))
    assert run.shard.checkpoint.after == str(count)
    for key in range(5):  # what comes for the first time comes in order
        first = list(dict.fromkeys(n for n in run.ended if n % 5 == key))
        assert first == sorted(first)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.sets(st.integers(1, 40), max_size=4), st.integers(1, 12), st.booleans())
def test_halving_gives_up_the_poison_and_nothing_else(
    count: int, poison: set[int], batch_size: int, reports: bool
) -> None:
    shard = Shard(Policy(batch_size=batch_size, bisect=True, max_retries=1))
    flying = sent(shard.read(0, records(count)))
    given_up: list[int] = []
    now = 0.0
    while not shard.drained:
        if not flying:
            now = shard.wake_s() or now
            flying = sent(shard.tick(now))
        (batch,) = flying
        bad = [n for n in numbers(batch) if n in poison]
        commands = shard.settle(now, batch, Failed(str(bad[0]) if reports else None) if bad else Took())
        flying = sent(commands)
        given_up += [n for command in commands if isinstance(command, GivenUp) for n in numbers(command.batch)]
    assert given_up == sorted(n for n in poison if n <= count)
