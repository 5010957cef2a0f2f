"""Tumbling windows: state from batch to batch, the end of a window, and one that ends early."""

from __future__ import annotations

import json
import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.streams.records import Batch, Command, Failed, GivenUp, Policy, Record, Send, Took, Window
from workbench.events.streams.shard import Shard

POLICY = Policy(batch_size=10, tumbling_s=60, parallel=4)


def at(number: int, arrived_s: float) -> Record:
    return Record(str(number), f"k{number}", arrived_s, "{}")


def only(commands: list[Command]) -> Batch:
    (command,) = commands
    assert isinstance(command, Send)
    return command.batch


def window(batch: Batch) -> Window:
    assert batch.window is not None
    return batch.window


def test_a_batch_has_records_of_one_window_and_the_state_goes_on_to_the_next() -> None:
    shard = Shard(POLICY)
    first = only(shard.read(200, [at(1, 125), at(2, 179), at(3, 180)]))
    assert (first.sequences, first.window) == (("1", "2"), Window(120, 180))
    final = only(shard.settle(200, first, Took('{"sum":2}')))
    assert (final.sequences, final.window) == ((), Window(120, 180, '{"sum":2}', final=True))
    following = only(shard.settle(200, final, Took()))
    assert (following.sequences, following.window) == (("3",), Window(180, 240))
    again = only([*shard.settle(201, following, Took('{"sum":1}')), *shard.read(202, [at(4, 190)])])
    assert window(again).state == '{"sum":1}'


def test_a_window_is_over_when_all_that_arrived_in_it_was_read() -> None:
    shard = Shard(POLICY)
    first = only(shard.read(130, [at(1, 125)], seen_s=0))
    assert shard.settle(131, first, Took('{"a":1}')) == []
    assert shard.read(181, [], seen_s=179.9) == []  # something may have arrived since
    final = only(shard.read(182, [], seen_s=180))
    assert window(final).final
    assert shard.settle(183, final, Took()) == []
    assert shard.drained


def test_a_batching_window_does_not_outlast_its_tumbling_window() -> None:
    shard = Shard(Policy(batch_size=10, window_s=300, tumbling_s=60))
    assert shard.read(130, [at(1, 125)]) == []
    assert only(shard.read(181, [], seen_s=180.5)).sequences == ("1",)


def test_a_state_that_is_too_large_ends_the_window_early_and_it_goes_on_empty() -> None:
    shard = Shard(POLICY)
    first = only(shard.read(130, [at(1, 125)]))
    large = '{"x":"' + "y" * 2**20 + '"}'
    early = only(shard.settle(131, first, Took(large)))
    assert (early.sequences, early.window) == ((), Window(120, 180, large, early=True))
    assert shard.settle(132, early, Took()) == []
    assert only(shard.read(133, [at(2, 133)])).window == Window(120, 180)


def test_the_end_of_a_shard_closes_its_window() -> None:
    shard = Shard(POLICY)
    first = only(shard.read(130, [at(1, 125)]))
    shard.settle(131, first, Took('{"a":1}'))
    final = only(shard.end(132))
    assert not shard.finished
    shard.settle(133, final, Took())
    assert shard.finished


def test_a_window_goes_on_at_its_checkpoint_with_its_state() -> None:
    shard = Shard(POLICY)
    first = only(shard.read(130, [at(1, 125)]))
    shard.settle(131, first, Took('{"a":1}'))
    resumed = Shard(POLICY, shard.checkpoint)
    assert only(resumed.read(140, [at(2, 139)])).window == Window(120, 180, '{"a":1}')


def test_a_failed_batch_leaves_the_state_and_an_end_that_fails_is_tried_again_and_given_up() -> None:
    shard = Shard(Policy(tumbling_s=60, max_retries=1))
    first = only(shard.read(130, [at(1, 125)]))
    shard.settle(131, first, Took('{"a":1}'))
    second = only(shard.read(135, [at(2, 135)]))
    (again,) = shard.settle(136, second, Failed())
    retried = only(shard.tick(140))
    assert window(retried).state == '{"a":1}'
    shard.settle(141, retried, Took('{"a":2}'))
    final = only(shard.read(190, [], seen_s=189))
    shard.settle(190, final, Failed())
    final = only(shard.tick(191))
    assert window(final) == Window(120, 180, '{"a":2}', final=True)
    (given_up,) = shard.settle(192, final, Failed())
    assert isinstance(given_up, GivenUp)
    assert shard.drained
    assert only(shard.read(200, [at(3, 200)])).window == Window(180, 240)
    del again


def test_a_record_that_the_clock_put_before_its_predecessor_stays_in_the_window() -> None:
    shard = Shard(POLICY)
    batch = only(shard.read(200, [at(1, 181), at(2, 179)]))
    assert (batch.sequences, window(batch).start_s) == (("1", "2"), 180)
    shard.settle(200, batch, Took('{"a":1}'))
    assert window(only(shard.read(201, [at(3, 178)]))) == Window(180, 240, '{"a":1}')


def added(batch: Batch, count: int) -> str:
    """The state with the numbers of the first records added."""
    total = json.loads(window(batch).state).get("sum", 0) + sum(
        int(record.sequence) for record in batch.records[:count]
    )
    return json.dumps({"sum": total})


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 6), st.booleans(), st.integers(0, 2**32))
def test_whatever_fails_and_whenever_it_is_killed_a_window_ends_with_the_sum_of_its_records(
    gaps: list[int], batch_size: int, bisect: bool, seed: int
) -> None:
    draw = random.Random(seed)
    stream = [at(n, 1000.0 + sum(gaps[:n])) for n in range(1, len(gaps) + 1)]
    expected: dict[float, int] = defaultdict(int)
    for record in stream:
        expected[record.arrived_s // 60 * 60] += int(record.sequence)
    policy = Policy(batch_size=batch_size, tumbling_s=60, bisect=bisect)
    shard, left, flying, now = Shard(policy), list(stream), list[Batch](), 5000.0
    finals: dict[float, int] = {}

    def take(commands: list[Command]) -> None:
        flying.extend(command.batch for command in commands if isinstance(command, Send))

    while not shard.finished:
        action = draw.random()
        if action < 0.05:
            checkpoint = shard.checkpoint
            shard, left, flying = Shard(policy, checkpoint), stream[int(checkpoint.after or 0) :], []
        elif left and action < 0.4:
            count = draw.randint(1, 5)
            take(shard.read(now, left[:count], seen_s=left[0].arrived_s))
            left = left[count:]
        elif flying:
            batch, kind = flying.pop(), draw.random()
            cut = draw.randrange(len(batch.records)) if batch.records else 0
            if kind < 0.2:
                take(shard.settle(now, batch, Failed()))
            elif kind < 0.4 and cut:
                take(shard.settle(now, batch, Failed(batch.sequences[cut], added(batch, cut))))
            else:
                if window(batch).final:
                    finals[window(batch).start_s] = json.loads(window(batch).state)["sum"]
                take(shard.settle(now, batch, Took(added(batch, len(batch.records)))))
        elif not left:
            take(shard.end(now))
            now += 100
            take(shard.tick(now))
        else:
            now += 100
            take(shard.tick(now))
    assert finals == expected
