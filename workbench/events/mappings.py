"""Event source mappings: Lambda's own operations on them, where they are kept, and the pollers that they start.

A mapping is on disk before its creation is answered, and off it before its deletion is. What it is doing shows in its
State: Creating, Enabling, Enabled, Disabling, Disabled, Updating, Deleting (Lambda API reference).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace

from workbench.events import mapping_settings, mapping_source
from workbench.events.flow import Flow
from workbench.events.mapping import Poller, StartPoller
from workbench.events.mapping_record import MappingRecord, kept
from workbench.events.mapping_settings import service_of
from workbench.events.mapping_tags import MappingTags
from workbench.events.queues import start_queue_poller
from workbench.events.streams import start_dynamodb_poller, start_kinesis_poller
from workbench.events.streams.checkpoints import forget
from workbench.faas.asynchronous import destinations
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.functions.function import Function
from workbench.faas.functions.names import parse
from workbench.faas.operations.context import Input, Output, Table
from workbench.faas.operations.paging import page
from workbench.faas.operations.tags import check_tags

POLLERS: dict[str, StartPoller] = {
    "sqs": start_queue_poller,
    "kinesis": start_kinesis_poller,
    "dynamodb": start_dynamodb_poller,
}
"""By the service that a source's ARN names: sqs, kinesis, dynamodb."""

_PAGE = 100
_STOP_S = 1.5
"""How long the platform's end waits for pollers to read nothing more: longer than one of them waits for news."""


class _Entry:
    """A mapping in force: its record, what it is doing, and its poller while it has one."""

    def __init__(self, record: MappingRecord, state: str) -> None:
        self.record = record
        self.state = state
        self.poller: Poller | None = None

    def shown(self) -> Output:
        """As the API answers it."""
        last = self.poller.last_result if self.poller is not None else "No records processed"
        return self.record.shown(self.state, last)

    @property
    def settled(self) -> str:
        """The state that it comes to."""
        return "Enabled" if self.record.enabled else "Disabled"


class Mappings:
    """All mappings of one platform; a companion of it."""

    def __init__(self, host: Host, flow: Flow) -> None:
        self._host = host
        self._flow = flow
        self._changing = asyncio.Lock()
        self._running = False
        self._entries = {record.uuid: _Entry(record, "Enabling") for record in kept(host.context.storage)}
        self.operations: Table = {
            "CreateEventSourceMapping": self._create,
            "DeleteEventSourceMapping": self._delete,
            "GetEventSourceMapping": self._get,
            "ListEventSourceMappings": self._list,
            "UpdateEventSourceMapping": self._update,
        }
        tags = MappingTags(host.operations.table, lambda name: self._entry({"UUID": name}).record, self._tagged)
        self.operations.update(tags.table)

    # ---- operations --------------------------------------------------------------------------------------------------

    async def _create(self, given: Input) -> Output:
        async with self._changing:
            source = self._source(given)
            arn, function = self._function(given["FunctionName"])
            settings = mapping_settings.created(given)
            check_tags(given.get("Tags", {}))
            self._check_destination(settings)
            self._check_new(source, arn)
            await mapping_source.check(self._host.context.aws, source, function)
            record = MappingRecord(
                str(uuid.uuid4()), source, arn, settings, given.get("Enabled", True), _now(), given.get("Tags", {})
            )
            await self._host.context.storage.write([record.keep()])
            entry = self._entries[record.uuid] = _Entry(record, "Creating")
            self._host.context.in_background(self._settle(entry))
            return entry.shown()

    async def _update(self, given: Input) -> Output:
        async with self._changing:
            entry = self._idle(given)
            before = entry.record
            arn = before.function
            if given.get("FunctionName"):
                arn, _ = self._function(given["FunctionName"])
                self._check_new(before.source, arn, but=before.uuid)
            settings = mapping_settings.changed(before.settings, given, before.source)
            self._check_destination(settings)
            enabled = given.get("Enabled", before.enabled)
            record = replace(before, function=arn, settings=settings, enabled=enabled, modified_s=_now())
            await self._host.context.storage.write([record.keep()])
            entry.record = record
            turned = "Enabling" if enabled else "Disabling"
            entry.state = "Updating" if enabled is before.enabled else turned
            self._host.context.in_background(self._settle(entry))
            return entry.shown()

    async def _delete(self, given: Input) -> Output:
        async with self._changing:
            entry = self._idle(given)
            await self._host.context.storage.write([entry.record.drop()])
            entry.state = "Deleting"
            self._host.context.in_background(self._settle(entry))
            return entry.shown()

    async def _get(self, given: Input) -> Output:
        return self._entry(given).shown()

    async def _list(self, given: Input) -> Output:
        source = given.get("EventSourceArn")
        arn = self._function(given["FunctionName"])[0] if given.get("FunctionName") else None
        found = [
            entry
            for entry in self._entries.values()
            if source in (None, entry.record.source) and arn in (None, entry.record.function)
        ]
        listed, marker = page(found, lambda entry: entry.record.uuid, given, most=_PAGE)
        return {"EventSourceMappings": [entry.shown() for entry in listed], "NextMarker": marker}

    async def _tagged(self, tagged: MappingRecord) -> None:
        async with self._changing:
            entry = self._entry({"UUID": tagged.uuid})
            if entry.state == "Deleting":  # it is off the disk already
                return
            record = replace(entry.record, tags=tagged.tags)
            await self._host.context.storage.write([record.keep()])
            entry.record = record

    # ---- what a request names ----------------------------------------------------------------------------------------

    def _source(self, given: Input) -> str:
        source: str = given.get("EventSourceArn", "")
        if not source:
            raise invalid("EventSourceArn is missing: give the ARN of a queue or a stream.")
        service, region = source.split(":")[2:4]
        if service not in POLLERS or (service == "dynamodb" and "/stream/" not in source):
            raise invalid(
                "Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn : " + source
            )
        if region != self._host.context.region:
            raise invalid(f"{source} is in another region than the function ({self._host.context.region}).")
        return source

    def _function(self, given: str) -> tuple[str, Function]:
        """The ARN of what a request names as its function, and the function; raises AwsError when there is none."""
        context = self._host.context
        named = parse(given, context.region)
        return named.arn(context.region), context.of(named)

    def _entry(self, given: Input) -> _Entry:
        entry = self._entries.get(given["UUID"])
        if entry is None:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
        return entry

    def _idle(self, given: Input) -> _Entry:
        entry = self._entry(given)
        if entry.state in ("Updating", "Disabling", "Deleting"):
            raise AwsError(
                "ResourceInUseException",
                "Cannot change the event source mapping because it is in use: it is "
                f"{entry.state.lower()}. Wait until its State is Enabled or Disabled.",
                Type="User",
            )
        return entry

    def _check_new(self, source: str, function: str, *, but: str = "") -> None:
        for entry in self._entries.values():
            record = entry.record
            if (record.source, record.function) != (source, function) or record.uuid == but:
                continue
            name = function.split(":", 6)[6]
            if service_of(source) == "sqs":
                said = f'An event source mapping with SQS arn (" {source} ") and function (" {name} ") already exists.'
            else:
                said = f'The event source arn (" {source} ") and function (" {name} ") provided mapping already exists.'
            raise AwsError(
                "ResourceConflictException",
                f"{said} Please update or delete the existing mapping with UUID {record.uuid}",
                Type="User",
            )

    def _check_destination(self, settings: Input) -> None:
        arn = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if arn:
            destinations.check_target(
                arn,
                what="OnFailure destination",
                allowed=("sqs", "sns", "s3"),
                region=self._host.context.region,
                endpoint=self._host.context.aws.endpoint,
            )

    # ---- pollers -----------------------------------------------------------------------------------------------------

    async def _settle(self, entry: _Entry) -> None:
        """Bring a mapping to what its record says, once what is under way with it is done."""
        poller = entry.poller
        if poller is not None:
            await poller.stop()
            entry.poller = None
        if entry.state == "Deleting":
            await self._host.context.storage.write([forget(entry.record.uuid)])
            self._entries.pop(entry.record.uuid, None)
            return
        self._start(entry)

    def _start(self, entry: _Entry) -> None:
        if self._running and entry.record.enabled and entry.poller is None:
            start = POLLERS[service_of(entry.record.source)]
            entry.poller = start(self._host, self._flow, entry.record.mapping())
        entry.state = entry.settled

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """Nothing of its own."""
        return None

    async def resume(self) -> None:
        """Start the poller of every mapping that is enabled."""
        self._running = True
        for entry in self._entries.values():
            self._start(entry)

    async def stop(self) -> None:
        """Read nothing more; what runs goes on."""
        self._running = False
        stops = [asyncio.ensure_future(poller.stop()) for poller in self._pollers()]
        if stops:
            await asyncio.wait(stops, timeout=_STOP_S)

    async def close(self) -> None:
        """End all pollers."""
        self._running = False
        await asyncio.gather(*(poller.close() for poller in self._pollers()))

    def _pollers(self) -> list[Poller]:
        return [entry.poller for entry in self._entries.values() if entry.poller is not None]


def _now() -> float:
    return round(time.time(), 3)
