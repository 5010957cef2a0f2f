"""Delivers what fired: to a function as an asynchronous invocation of this platform, to a queue or topic by a call.

Both are on disk before the firing counts as done, in the transaction that says so. A call that fails is tried again as
the target's RetryPolicy says, then goes to its dead-letter queue; where the target is gone or refuses, at once
(EventBridge user guide, "Event retry policy and using dead-letter queues"; EventBridge Scheduler user guide,
"Configuring a dead-letter queue"). AWS names no delays; here they are 1 s, doubled each time, at most five minutes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from workbench.events.flow import Flow, What
from workbench.events.schedule.memory import Memory, drop, keep_order
from workbench.events.schedule.orders import Call, NotSent, Order, call_of
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.functions.storage import Statement

_LONGEST_PAUSE_S = 300.0
_DEAD_LETTER_ATTEMPTS = 185


class Delivery:
    """All orders of one platform's schedules."""

    def __init__(self, host: Host, flow: Flow, memory: Memory) -> None:
        self._host = host
        self._flow = flow
        self._memory = memory
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Go on with what an earlier process had not delivered."""
        for key, wanted in self._memory.orders().items():
            self._begin(self._see_off(key, wanted))

    async def accept(self, wanted: Order, mark: Statement) -> None:
        """Put an order on disk, with `mark`, the note that its firing is done; delivery goes on by itself.

        Raises sqlite3.Error when the disk refuses; then neither is on it.
        """
        try:
            call = call_of(wanted)
            if call.service == "lambda":
                await self._invoke(wanted, call, mark)
                return
        except (NotSent, AwsError) as error:
            await self._memory.write([mark])
            self._tell(What.FAILED, wanted, detail=str(error))
            await self._bury(wanted, getattr(error, "code", "INVALID_TARGET"), error)
            return
        key = uuid.uuid4().hex
        await self._memory.write([keep_order(key, wanted), mark])
        self._tell(What.ACCEPTED, wanted)
        self._begin(self._see_off(key, wanted))

    async def close(self) -> None:
        """Deliver nothing more; what is left stays on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _invoke(self, wanted: Order, call: Call, mark: Statement) -> None:
        payload = call.parameters.get("Payload", "{}")
        text = payload if isinstance(payload, str) else json.dumps(payload)
        try:
            json.loads(text)
        except ValueError as error:
            raise NotSent(f"A function's input is JSON, which that of {wanted.source} is not: {error}") from None
        request = await self._host.accept(call.parameters["FunctionName"], text.encode(), [mark])
        self._tell(What.ACCEPTED, wanted, request=request)

    # ---- calls -------------------------------------------------------------------------------------------------------

    async def _see_off(self, key: str, wanted: Order) -> None:
        """Call until it works, or may not be tried again."""
        while True:
            try:
                await self._call(call_of(wanted))
                self._tell(What.ANSWERED, wanted)
                break
            except Exception as error:
                self._tell(What.FAILED, wanted, detail=str(error))
                pause = min(2.0**wanted.attempts, _LONGEST_PAUSE_S) * self._host.context.events.retry_scale
                condition = self._exhausted(wanted, pause)
                if not _may_pass(error) or condition:
                    await self._bury(wanted, _code(error), error, condition if _may_pass(error) else "")
                    break
            wanted = replace(wanted, attempts=wanted.attempts + 1)
            await self._memory.write([keep_order(key, wanted)])
            await asyncio.sleep(pause)
            self._tell(What.RETRIED, wanted)
        await self._memory.write([drop("order", key)])

    def _exhausted(self, wanted: Order, pause: float) -> str:
        if wanted.attempts >= wanted.retries:
            return "MaximumRetryAttempts"
        return "MaximumEventAgeInSeconds" if self._host.now_s() + pause > wanted.made_s + wanted.max_age_s else ""

    async def _call(self, call: Call) -> None:
        parameters = dict(call.parameters)
        if call.service == "sqs" and str(parameters.get("QueueUrl", "")).startswith("arn:"):
            parameters["QueueUrl"] = await self._queue_url(parameters["QueueUrl"])
        await self._host.context.aws.call(call.service, call.operation, **parameters)

    async def _queue_url(self, arn: str) -> str:
        """Asked each time: a queue that is deleted and made anew is another one."""
        answer = await self._host.context.aws.call("sqs", "get_queue_url", QueueName=arn.rpartition(":")[2])
        return str(answer["QueueUrl"])

    # ---- given up ----------------------------------------------------------------------------------------------------

    async def _bury(self, wanted: Order, code: str, error: Exception, condition: str = "") -> None:
        """To the dead-letter queue, if there is one, with the attributes that AWS names."""
        if not wanted.dead_letter:
            self._tell(What.DROPPED, wanted, detail=str(error))
            return
        attributes = {
            "SCHEDULE_ARN" if ":scheduler:" in wanted.source else "RULE_ARN": wanted.source,
            "TARGET_ARN": wanted.target,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": str(error) or code,
            "RETRY_ATTEMPTS": str(wanted.attempts),
        }
        if ":scheduler:" in wanted.source:
            attributes |= {
                "SCHEDULED_TIME": wanted.scheduled,
                "EXECUTION_ID": uuid.uuid4().hex[:16],
                "IS_PAYLOAD_TRUNCATED": "false",
            }
        if condition:
            attributes["EXHAUSTED_RETRY_CONDITION"] = condition
        letter = {
            "QueueUrl": wanted.dead_letter,
            "MessageBody": _letter(wanted),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        }
        key = uuid.uuid4().hex
        universal = replace(
            wanted,
            target="arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
            body=json.dumps(letter),
            dead_letter="",
            attempts=0,
            retries=_DEAD_LETTER_ATTEMPTS,
            made_s=self._host.now_s(),
            max_age_s=86400,
            problem="",
        )
        await self._memory.write([keep_order(key, universal)])
        self._tell(What.DEAD, wanted, detail=wanted.dead_letter)
        self._begin(self._see_off(key, universal))

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def _tell(self, what: What, wanted: Order, *, request: str = "", detail: str = "") -> None:
        detail = detail or f"scheduled for {wanted.scheduled}"
        self._flow.tell(what, wanted.source, wanted.target, [wanted.id], request=request, detail=detail)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._surely(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _surely(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # the disk refuses: it is taken up again at the next start
            print(f"a delivery of a schedule stopped: {error}", file=sys.stderr, flush=True)


def _letter(wanted: Order) -> str:
    """The body of a dead letter: the event of a rule, the request of a schedule (as its parameters)."""
    try:
        call = call_of(wanted)
    except NotSent:
        return wanted.body
    return json.dumps(call.parameters) if ":scheduler:" in wanted.source else wanted.body


def _code(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: not where the service answered that the request itself is wrong."""
    if isinstance(error, NotSent | TypeError | AttributeError):
        return False
    response = getattr(error, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return not 400 <= status < 500 or status == 429 or "Throttl" in _code(error)
