"""How asynchronous invocations of a function, version or alias are treated: tries, age, destinations."""

from __future__ import annotations

import time

from workbench.faas.asynchronous import destinations
from workbench.faas.asynchronous.destinations import Rules
from workbench.faas.asynchronous.event_store import StoredEvent
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.attachments import Record
from workbench.faas.functions.function import LATEST
from workbench.faas.functions.names import Named, parse
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.paging import page

_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_ALLOWED = {"OnSuccess": ("lambda", "sqs", "sns", "events"), "OnFailure": destinations.SERVICES}


class EventConfigOperations:
    """Put, Update, Get, List and DeleteFunctionEventInvokeConfig."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._configs = context.attachments.event_configs
        self.table: Table = {
            "DeleteFunctionEventInvokeConfig": self._delete,
            "GetFunctionEventInvokeConfig": self._get,
            "ListFunctionEventInvokeConfigs": self._list,
            "PutFunctionEventInvokeConfig": self._put,
            "UpdateFunctionEventInvokeConfig": self._update,
        }

    async def _put(self, given: Input) -> Output:
        return await self._keep(given, {})

    async def _update(self, given: Input) -> Output:
        _, record = self._kept(given)
        return await self._keep(given, record)

    async def _keep(self, given: Input, before: Record) -> Output:
        named = self._named(given)
        changes = {key: given[key] for key in _SETTINGS if key in given}
        if not changes:
            raise invalid("You must specify at least one of error handling or destination setting.")
        self._check(named, changes.get("DestinationConfig", {}))
        record = {**before, **changes, "LastModified": round(time.time(), 3)}
        async with self._context.changing:
            self._context.of(named)  # again: it may have been deleted while this waited
            await self._configs.put(named.name, named.qualifier or LATEST, record)
        return self._shown(named, record)

    async def _get(self, given: Input) -> Output:
        return self._shown(*self._kept(given))

    async def _delete(self, given: Input) -> Output:
        async with self._context.changing:
            named, _ = self._kept(given)
            await self._configs.remove(named.name, named.qualifier or LATEST)
        return {}

    async def _list(self, given: Input) -> Output:
        name = self._context.unqualified(given["FunctionName"]).name
        records, marker = page(self._configs.of(name), lambda entry: entry[0], given)
        shown = [self._shown(Named(name, qualifier), record) for qualifier, record in records]
        return {"FunctionEventInvokeConfigs": shown, "NextMarker": marker}

    def _named(self, given: Input) -> Named:
        named = parse(given["FunctionName"], self._context.region, given.get("Qualifier"))
        self._context.of(named)
        return named

    def _kept(self, given: Input) -> tuple[Named, Record]:
        named = self._named(given)
        record = self._configs.get(named.name, named.qualifier or LATEST)
        if record is None:
            arn = self._context.arn(named.name, named.qualifier or LATEST)
            raise AwsError(
                "ResourceNotFoundException", f"The function {arn} doesn't have an EventInvokeConfig", Type="User"
            )
        return named, record

    def _shown(self, named: Named, record: Record) -> Output:
        targets = record.get("DestinationConfig", {})
        return {
            **record,
            "FunctionArn": self._context.arn(named.name, named.qualifier or LATEST),
            "DestinationConfig": {side: targets.get(side, {}) for side in _ALLOWED},
        }

    def _check(self, named: Named, targets: Input) -> None:
        for side, allowed in _ALLOWED.items():
            arn = targets.get(side, {}).get("Destination", "")
            if not arn:
                continue
            destinations.check_target(
                arn,
                what=f"{side} destination",
                allowed=allowed,
                region=self._context.region,
                endpoint=self._context.aws.endpoint,
            )
            if destinations.service_of(arn) == "lambda":
                self._check_function(named, arn)

    def _check_function(self, named: Named, arn: str) -> None:
        try:
            self._context.find(arn)
        except AwsError as error:
            raise invalid(f"The destination ARN {arn} is invalid: {error.message}") from error
        if destinations.function_of(arn)[0] == named.name:
            raise invalid("You can't specify the function as a destination for itself.")


def check_dead_letter(context: Context, given: Input) -> None:
    """Raise AwsError when CreateFunction's or UpdateFunctionConfiguration's input has a queue that gets nothing."""
    arn = given.get("DeadLetterConfig", {}).get("TargetArn", "")
    if arn:
        destinations.check_target(
            arn, what="DeadLetterConfig", allowed=("sqs", "sns"), region=context.region, endpoint=context.aws.endpoint
        )


def rules(context: Context, event: StoredEvent) -> Rules:
    """How an event is to be treated, by what is configured now."""
    named = Named(event.function, event.qualifier or None)
    record = context.attachments.event_configs.get(named.name, named.qualifier or LATEST) or {}
    latest = context.functions.get(named.name)
    try:
        dead_letter = context.of(named).settings.get("DeadLetterConfig", {}).get("TargetArn", "")
    except AwsError:  # deleted, which its delivery will find out
        dead_letter = ""
    targets = record.get("DestinationConfig", {})
    return Rules(
        arn=named.arn(context.region),
        retries=record.get("MaximumRetryAttempts", Rules.retries),
        max_age_s=record.get("MaximumEventAgeInSeconds", Rules.max_age_s),
        on_success=targets.get("OnSuccess", {}).get("Destination", ""),
        on_failure=targets.get("OnFailure", {}).get("Destination", ""),
        dead_letter=dead_letter,
        closed=latest is not None and latest.reserved == 0,
        endless=latest is not None and latest.recursive_loop == "Allow",
    )
