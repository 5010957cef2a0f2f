"""Reads one shard and invokes the function, as `shard.Shard` says: the I/O of a shard."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from botocore.exceptions import ClientError

from workbench.errors import DeploymentError
from workbench.events.filters import passes
from workbench.events.flow import What
from workbench.events.mapping import Mapping
from workbench.events.streams.answers import outcome_of, payload_of
from workbench.events.streams.checkpoints import Keeper
from workbench.events.streams.failures import Attempt, message_of
from workbench.events.streams.records import Batch, Command, Failed, GivenUp, Outcome, Policy, Refused, Send, Took
from workbench.events.streams.shard import Checkpoint, Shard
from workbench.events.streams.source import Page, Source
from workbench.events.streams.telling import Telling
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host

CALL_FAILED = "PROBLEM: Function call failed"
_TROUBLE_S = (1.0, 30.0)


class ShardPoller:
    """One shard, from a checkpoint on; `changed` is called when it has come further, `said` with how that went."""

    def __init__(
        self,
        host: Host,
        mapping: Mapping,
        source: Source,
        shard: str,
        *,
        checkpoint: Checkpoint,
        since_s: float,
        keeper: Keeper,
        telling: Telling,
        changed: Callable[[], None],
        said: Callable[[str], None],
    ) -> None:
        self.id = shard
        self.seen_s = 0.0  # all that arrived before was read
        self._host = host
        self._mapping = mapping
        self._source = source
        self._since_s = since_s
        self._keeper = keeper
        self._telling = telling
        self._changed = changed
        self._said = said
        self._after = checkpoint.after
        self._shard = Shard(_policy(mapping, host.context.events.retry_scale), checkpoint)
        self._attempts: dict[int, Attempt] = {}  # the latest of each lane
        self._room = asyncio.Event()
        self._room.set()
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reading = asyncio.ensure_future(self._read_on())

    @property
    def unfinished(self) -> int:
        """Records that were read and are not done with."""
        return self._shard.unfinished

    @property
    def drained(self) -> bool:
        """Whether all that was read is done with."""
        return self._shard.drained

    @property
    def finished(self) -> bool:
        """Whether a closed shard is done with."""
        return self._shard.finished

    async def stop(self) -> None:
        """Read and send nothing more; returns when what is under way is done with and on disk."""
        self._shard.stop()
        self._reading.cancel()
        while self._calls:
            await asyncio.wait(self._calls)
        self._keeper.keep(self._shard.checkpoint)
        await self._keeper.flush()
        await self.close()

    async def close(self) -> None:
        """End at once."""
        self._shard.stop()
        if self._timer is not None:
            self._timer.cancel()
        tasks = [self._reading, *self._calls]
        for task in tasks:
            task.cancel()
        self._keeper.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def _read_on(self) -> None:
        iterator: str | None = ""
        trouble_s = _TROUBLE_S[0]
        while iterator is not None:
            await self._room.wait()
            try:
                iterator = iterator or await self._source.iterator(self.id, self._after, self._since_s)
                begun_s = time.time()
                page = await self._source.read(self.id, iterator, max(1, self._shard.room))
            except Exception as error:
                # An iterator lasts for minutes, and not longer than the stream's process: a new one from where we are.
                iterator = ""
                self._in_trouble(error)
                await asyncio.sleep(trouble_s)
                trouble_s = min(2 * trouble_s, _TROUBLE_S[1])
                continue
            trouble_s = _TROUBLE_S[0]
            self._take(page, begun_s)
            iterator = page.following
            if iterator is not None and not page.records:
                await asyncio.sleep(self._source.poll_s)
        self._carry_out(self._shard.end(time.time()))

    def _in_trouble(self, error: Exception) -> None:
        if not isinstance(error, ClientError | DeploymentError):  # ours; it must not leave the shard unread
            traceback.print_exception(error, file=sys.stderr)
        elif not isinstance(error, ClientError) or error.response["Error"].get("Code") != "ExpiredIteratorException":
            self._said(f"PROBLEM: {error}")

    def _take(self, page: Page, begun_s: float) -> None:
        if page.latest:
            self.seen_s = begun_s
        records = [record for record, _ in page.records]
        early = {record.sequence for record in records if self._before(record.arrived_s)}
        unwanted = {
            record.sequence
            for record, event in page.records
            if record.sequence not in early and not passes(self._mapping.filters, event)
        }
        self._telling.of(What.RECEIVED, [record.sequence for record in records if record.sequence not in early])
        self._telling.of(What.FILTERED, [record.sequence for record in records if record.sequence in unwanted])
        if records:
            self._after = records[-1].sequence
        self._carry_out(self._shard.read(time.time(), records, early | unwanted, self.seen_s))

    def _before(self, arrived_s: float) -> bool:
        """Whether a record is older than where the mapping begins; a source may know whole seconds only."""
        return arrived_s < (self._since_s // 1 if float(arrived_s).is_integer() else self._since_s)

    # ---- sending -----------------------------------------------------------------------------------------------------

    def _carry_out(self, commands: Sequence[Command]) -> None:
        messages = []
        for command in commands:
            self._telling.command(command)
            if isinstance(command, Send):
                self._start(self._send(command.batch))
            elif isinstance(command, GivenUp):
                attempt = self._attempts.get(command.batch.lane) if command.batch.tries else None
                message = message_of(command, self._mapping, self.id, self._source.info, attempt, time.time())
                messages += [message] if message is not None else []
        self._keeper.keep(self._shard.checkpoint, messages)
        (self._room.set if self._shard.room else self._room.clear)()
        self._set_timer()
        self._changed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _send(self, batch: Batch) -> None:
        outcome = await self._invoke(batch)
        self._said("OK" if isinstance(outcome, Took) else CALL_FAILED)
        self._carry_out(self._shard.settle(time.time(), batch, outcome))

    async def _invoke(self, batch: Batch) -> Outcome:
        request = str(uuid.uuid4())

        def tell(what: What, sequences: Sequence[str], why: str = "", instance: str = "") -> None:
            self._telling.of(what, sequences, batch=batch.number, request=request, instance=instance, why=why)

        tell(What.INVOKED, batch.sequences)
        try:
            payload = payload_of(batch, self.id, self._mapping.source)
            answer = await self._host.invoke(self._mapping.function, payload, request)
        except Exception as error:
            if not isinstance(error, AwsError):  # ours; the records must not be lost by it
                traceback.print_exception(error, file=sys.stderr)
            tell(What.FAILED, batch.sequences, f"not run: {error}")
            return Refused()
        self._attempts[batch.lane] = Attempt(request, answer.version, answer.error)
        outcome = outcome_of(batch, answer.payload, answer.error, report=self._mapping.report_failures)
        first = outcome.first if isinstance(outcome, Failed) else None
        place = batch.sequences.index(first) if first is not None else 0
        if isinstance(outcome, Took):
            place = len(batch.records)
        tell(What.ANSWERED, batch.sequences[:place], instance=answer.instance)
        tell(What.FAILED, batch.sequences[place:], _text(answer.payload), answer.instance)
        return outcome

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._shard.wake_s()
        if wake_s is not None:
            delay_s = max(0.0, wake_s - time.time())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self._shard.tick(time.time()))


def _policy(mapping: Mapping, scale: float) -> Policy:
    return Policy(
        mapping.batch_size,
        mapping.window_s,
        mapping.parallel,
        mapping.bisect,
        mapping.max_retries,
        mapping.max_age_s,
        mapping.tumbling_s,
        scale,
    )


def _text(payload: bytes) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        return payload[:200].decode()
    return ""
