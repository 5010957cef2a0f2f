"""What an event source mapping may be set to, and what it is when nothing is said: by the service of its source.

Names, ranges and defaults as in the Lambda API reference, "CreateEventSourceMapping"; the rules between them also from
the developer guide's pages on SQS, Kinesis and DynamoDB as event sources.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from workbench.events import filters
from workbench.events.mapping import Mapping
from workbench.faas.aws_errors import invalid

Settings = dict[str, Any]
"""A mapping's settings in AWS's names, as they are kept and shown."""

_UNSUPPORTED = (
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "KMSKeyArn",
    "LoggingConfig",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
)
_COMMON: Settings = {"MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
_OF_QUEUES: Settings = {"BatchSize": 10, **_COMMON}
_OF_STREAMS: Settings = {
    "BatchSize": 100,
    **_COMMON,
    "ParallelizationFactor": 1,
    "BisectBatchOnFunctionError": False,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "DestinationConfig": {"OnFailure": {}},
}
_STARTS = ("StartingPosition", "StartingPositionTimestamp")
_ONLY_QUEUES = ("ScalingConfig",)
_BOTH = ("FilterCriteria",)
_MOST_WITHOUT_WINDOW = 10
_MOST_OF_FIFO = 10
_LEAST_AGE_S = 60


def service_of(source: str) -> str:
    """`sqs`, `kinesis` or `dynamodb`: the service in an ARN."""
    return source.split(":")[2]


def created(given: Settings) -> Settings:
    """The settings of a new mapping; raises AwsError for what cannot be, or not together."""
    queue = service_of(given["EventSourceArn"]) == "sqs"
    _refuse(given, (*_ONLY_QUEUES, *_OF_QUEUES, *_BOTH) if queue else (*_OF_STREAMS, *_BOTH, *_STARTS), queue)
    defaults = _OF_QUEUES if queue else _OF_STREAMS
    wanted = {name: given[name] for name in (*defaults, *_BOTH, *_ONLY_QUEUES, *_STARTS) if name in given}
    settings = _tidy({**defaults, **wanted})
    if not queue:
        _check_start(settings, given["EventSourceArn"])
    _check(settings, given["EventSourceArn"])
    return settings


def changed(before: Settings, given: Settings, source: str) -> Settings:
    """The settings after UpdateEventSourceMapping: what is not given stays. Raises AwsError as `created` does."""
    queue = service_of(source) == "sqs"
    allowed = (*_OF_QUEUES, *_ONLY_QUEUES, *_BOTH) if queue else (*_OF_STREAMS, *_BOTH)
    _refuse(given, allowed, queue)
    settings = _tidy({**before, **{name: given[name] for name in allowed if name in given}})
    _check(settings, source)
    return settings


def mapping(uuid: str, source: str, function: str, settings: Settings) -> Mapping:
    """What a poller goes by."""
    scaling = settings.get("ScalingConfig", {})
    on_failure = settings.get("DestinationConfig", {}).get("OnFailure", {})
    return Mapping(
        uuid=uuid,
        source=source,
        function=function,
        batch_size=settings["BatchSize"],
        window_s=settings["MaximumBatchingWindowInSeconds"],
        filters=filters.parse(_texts(settings), service_of(source)),
        report_failures="ReportBatchItemFailures" in settings["FunctionResponseTypes"],
        max_concurrency=scaling.get("MaximumConcurrency"),
        start=settings.get("StartingPosition", ""),
        start_at_s=settings.get("StartingPositionTimestamp", 0.0),
        parallel=settings.get("ParallelizationFactor", 1),
        bisect=settings.get("BisectBatchOnFunctionError", False),
        max_age_s=settings.get("MaximumRecordAgeInSeconds", -1),
        max_retries=settings.get("MaximumRetryAttempts", -1),
        tumbling_s=settings.get("TumblingWindowInSeconds", 0),
        on_failure=on_failure.get("Destination", ""),
    )


def _tidy(settings: Settings) -> Settings:
    """Without what is empty, which is how AWS is told that something is not wanted any more."""
    found = dict(settings)
    if not found.get("FilterCriteria", {}).get("Filters"):
        found.pop("FilterCriteria", None)
    if found.get("ScalingConfig", {}).get("MaximumConcurrency") is None:
        found.pop("ScalingConfig", None)
    if "DestinationConfig" in found:
        to = found["DestinationConfig"].get("OnFailure", {}).get("Destination")
        found["DestinationConfig"] = {"OnFailure": {"Destination": to} if to else {}}
    if "StartingPositionTimestamp" in found:
        found["StartingPositionTimestamp"] = _epoch(found["StartingPositionTimestamp"])
    return found


def _refuse(given: Settings, allowed: tuple[str, ...], queue: bool) -> None:
    absent = [name for name in _UNSUPPORTED if given.get(name)]
    if absent:
        raise invalid(f"{', '.join(absent)}: not supported by this local platform; leave it out.")
    if given.get("DestinationConfig", {}).get("OnSuccess", {}).get("Destination"):
        raise invalid("An event source mapping has no OnSuccess destination; give OnFailure, or leave it out.")
    others = {*_OF_STREAMS, *_ONLY_QUEUES, *_STARTS} - set(allowed)
    wrong = sorted(name for name in others if given.get(name) not in (None, {}))
    if wrong:
        kind = "an SQS queue" if queue else "a stream"
        raise invalid(f"{', '.join(wrong)} cannot be set when {kind} is the event source; leave it out.")


def _check_start(settings: Settings, source: str) -> None:
    start = settings.get("StartingPosition")
    if start is None:
        raise invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must "
            "not be null. Give TRIM_HORIZON or LATEST."
        )
    if start == "AT_TIMESTAMP" and service_of(source) == "dynamodb":
        raise invalid(f"Unsupported starting position for arn type: {source}. Give TRIM_HORIZON or LATEST.")
    if (start == "AT_TIMESTAMP") is not ("StartingPositionTimestamp" in settings):
        raise invalid("StartingPosition AT_TIMESTAMP and StartingPositionTimestamp go together; give both or neither.")
    if settings.get("StartingPositionTimestamp", 0.0) > time.time():
        raise invalid("StartingPositionTimestamp is in the future; give a time that has been.")


def _check(settings: Settings, source: str) -> None:
    try:
        filters.parse(_texts(settings), service_of(source))
    except ValueError as error:
        raise invalid(str(error)) from error
    size, window = settings["BatchSize"], settings["MaximumBatchingWindowInSeconds"]
    if service_of(source) != "sqs":
        if 0 <= settings["MaximumRecordAgeInSeconds"] < _LEAST_AGE_S:
            raise invalid(f"MaximumRecordAgeInSeconds is -1 for no limit, or at least {_LEAST_AGE_S}.")
        return
    if source.endswith(".fifo"):
        if size > _MOST_OF_FIFO:
            raise invalid(f"BatchSize of a FIFO queue is at most {_MOST_OF_FIFO}, not {size}.")
        if window:
            raise invalid("Batching window is not supported for FIFO queues; leave MaximumBatchingWindowInSeconds out.")
    if size > _MOST_WITHOUT_WINDOW and not window:
        raise invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than "
            f"{_MOST_WITHOUT_WINDOW}."
        )


def _texts(settings: Settings) -> list[str]:
    return [entry.get("Pattern", "") for entry in settings.get("FilterCriteria", {}).get("Filters", [])]


def _epoch(moment: float | str) -> float:
    """A time as the API has it: seconds since the epoch, or ISO 8601."""
    if isinstance(moment, str):
        try:
            return datetime.fromisoformat(moment).timestamp()
        except ValueError as error:
            raise invalid(f"StartingPositionTimestamp {moment!r} is no time; give seconds since the epoch.") from error
    return float(moment)
