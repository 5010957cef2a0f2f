"""EventBridge: rules whose targets are functions, and what S3 tells EventBridge of objects."""

from __future__ import annotations

import copy
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule, events_backends
from moto.s3 import notifications

from workbench.events.embedded.inside.objects import sequencer
from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace
from workbench.events.embedded.inside.server import asked
from workbench.events.embedded.inside.target_input import target_input

_REASONS = {
    "s3:ObjectCreated:Put": ("Object Created", {"reason": "PutObject"}),
    "s3:ObjectCreated:Post": ("Object Created", {"reason": "POST Object"}),
    "s3:ObjectCreated:Copy": ("Object Created", {"reason": "CopyObject"}),
    "s3:ObjectCreated:CompleteMultipartUpload": ("Object Created", {"reason": "CompleteMultipartUpload"}),
    "s3:ObjectRemoved:Delete": (
        "Object Deleted",
        {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"},
    ),
    "s3:ObjectRemoved:DeleteMarkerCreated": (
        "Object Deleted",
        {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"},
    ),
}
"""By the name that notifications have: detail type and reason (Amazon S3 user guide, "EventBridge event message")."""

_FIELDS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail", "replay-name")


def install(outbox: Outbox) -> None:
    """From now on functions that are targets are the platform's; a rule that is disabled or timed matches nothing."""

    def send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
        pattern = rule.event_pattern
        if rule.state != "ENABLED" or not pattern.get_pattern() or not pattern.matches_event(event):
            return
        functions = [target for target in rule.targets if target["Arn"].split(":")[2] == "lambda"]
        for target in functions:
            ours = as_delivered(event)
            value = target_input(target, ours, rule.arn, _iso(event.get("ingestion-time")))
            outbox.push(rule.arn, target["Arn"], [ours["id"]], value)
        rest = copy.copy(rule)
        rest.targets = [target for target in rule.targets if target not in functions]
        original(rest, event, transform_input)

    original = replace(Rule, "send_to_targets", send_to_targets)
    replace(notifications, "_send_event_bridge_message", _tell_of_object)


def as_delivered(event: dict[str, Any]) -> dict[str, Any]:
    """An event as targets get it: its time as text, and nothing of how it came in."""
    return {name: _iso(event[name]) if name == "time" else event[name] for name in _FIELDS if name in event}


def _iso(when: Any) -> str:
    """A time as EventBridge writes it; one in text is as its sender wrote it."""
    if isinstance(when, str) and not when.replace(".", "", 1).isdigit():
        return when
    return datetime.fromtimestamp(float(when or time.time()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tell_of_object(account: str, bucket: Any, name: Any, key: Any) -> None:
    """All rules of the bucket's account and region, about one object."""
    said = _REASONS.get(str(getattr(name, "value", name)))
    if said is None:
        return
    about: dict[str, Any] = {"key": key.name}
    if hasattr(key, "size"):
        about |= {"size": key.size, "etag": key.etag.replace('"', "")}
    if bucket.is_versioned:
        about["version-id"] = str(key.version_id)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": said[0],
        "source": "aws.s3",
        "account": account,
        "time": time.time(),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {**about, "sequencer": sequencer()},
            "request-id": asked().id,
            "requester": account,
            "source-ip-address": "127.0.0.1",
            **said[1],
        },
        "ingestion-time": time.time(),
    }
    event = json.loads(json.dumps(event))
    for bus in events_backends[account][bucket.region_name].event_buses.values():
        for rule in bus.rules.values():
            rule.send_to_targets(event, transform_input=False)
