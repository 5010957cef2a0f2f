"""S3: what bucket notifications say, and to whom.

The event's shape: Amazon S3 user guide, "Event message structure", version 2.1.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote_plus

from moto.s3 import notifications
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend

from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace
from workbench.events.embedded.inside.server import asked

_Event = notifications.S3NotificationEvent

_ASKED_FOR = {_Event.OBJECT_TAGGING_PUT_EVENT: "tagging", _Event.OBJECT_ACL_UPDATE_EVENT: "acl"}
"""Told when a request is about them; not when an object comes with them."""


class _UnknownDestination(S3ClientError):
    status_code = 400

    def __init__(self) -> None:
        super().__init__("InvalidArgument", "Unable to validate the following destination configurations")


_last = [0]


def sequencer() -> str:
    """Hexadecimal, and larger than all before; requests are worked on one at a time."""
    _last[0] = max(_last[0] + 1, time.time_ns())
    return f"{_last[0]:018X}"


def message(name: str, bucket: Any, key: Any, configuration: str) -> dict[str, Any]:
    """The event of one object; `name` as S3 has it in configurations ("s3:ObjectCreated:Put")."""
    name = str(getattr(name, "value", name)).removeprefix("s3:")
    about: dict[str, Any] = {"key": quote_plus(key.name, safe="/")}
    if not name.startswith("ObjectRemoved"):
        about |= {"size": key.size, "eTag": key.etag.replace('"', "")}
    if bucket.is_versioned and key.version_id not in (None, "null"):
        about["versionId"] = str(key.version_id)
    about["sequencer"] = sequencer()
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "eventName": name,
        "userIdentity": {"principalId": f"AWS:{asked().access_key}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": asked().id, "x-amz-id-2": secrets.token_urlsafe(48)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": bucket.account_id}, "arn": bucket.arn},
            "object": about,
        },
    }
    return {"Records": [record]}


def install(outbox: Outbox) -> None:
    """From now on functions are the platform's, and events as AWS words them."""

    def invoke(account: str, event: dict[str, Any], function: str, region: str) -> None:
        about = event["Records"][0]["s3"]
        identity = f"{about['object']['key']}:{about['object']['sequencer']}"
        outbox.push(about["bucket"]["arn"], function, [identity], event)

    replace(notifications, "_get_s3_event", message)
    replace(notifications, "_invoke_awslambda", invoke)
    _check_destinations(outbox)
    _tell_of_what_happened()


def _check_destinations(outbox: Outbox) -> None:
    def set_notification_configuration(bucket: Any, configuration: dict[str, Any] | None) -> None:
        wanted = (configuration or {}).get("CloudFunctionConfiguration") or []
        if not all(outbox.exists(each["CloudFunction"]) for each in wanted):
            raise _UnknownDestination()
        original(bucket, configuration)

    original = replace(FakeBucket, "set_notification_configuration", set_notification_configuration)


def _tell_of_what_happened() -> None:
    """Where moto tells of something else than S3 does: parts made whole, and objects removed from versioned buckets."""

    def send_event(account: str, name: Any, bucket: Any, key: Any) -> None:
        about = _ASKED_FOR.get(name)
        if about is not None and about not in parse_qs(asked().query, keep_blank_values=True):
            return
        put_whole = name in (_Event.OBJECT_CREATED_PUT_EVENT, _Event.OBJECT_CREATED_POST_EVENT) and key.multipart
        if not put_whole and name != _Event.OBJECT_REMOVED_DELETE_EVENT:
            send(account, name, bucket, key)

    def delete_object(
        backend: Any, bucket_name: str, key_name: str, version_id: Any = None, *more: Any, **named: Any
    ) -> Any:
        bucket = backend.get_bucket(bucket_name)
        there = bucket.keys.getlist(key_name, []) if hasattr(bucket, "keys") else []
        if version_id is not None and bucket.is_versioned:
            there = [key for key in there if str(key.version_id) == str(version_id)]
        answer = delete(backend, bucket_name, key_name, version_id, *more, **named)
        if there and answer[0] and not (bucket.is_versioned and version_id is None):
            send(backend.account_id, _Event.OBJECT_REMOVED_DELETE_EVENT, bucket, there[-1])
        return answer

    def set_delete_marker(backend: Any, bucket_name: str, key_name: str) -> Any:
        marker = mark(backend, bucket_name, key_name)
        name = _Event.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        send(backend.account_id, name, backend.get_bucket(bucket_name), marker)
        return marker

    send = replace(notifications, "send_event", send_event)
    delete = replace(S3Backend, "delete_object", delete_object)
    mark = replace(S3Backend, "_set_delete_marker", set_delete_marker)
