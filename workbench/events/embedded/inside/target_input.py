"""What a target of an EventBridge rule gets of an event: all, a constant, a part, or a text made of parts.

Amazon EventBridge user guide, "Amazon EventBridge input transformation". Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")
_TOKEN = re.compile(r'\\.|"|<([A-Za-z0-9_.-]+)>', re.DOTALL)


def target_input(target: Mapping[str, Any], event: dict[str, Any], rule_arn: str, ingested: str) -> Any:
    """The value that goes to `target`, a record as PutTargets takes it; `ingested` is when the event came in."""
    if target.get("Input"):
        return json.loads(target["Input"])
    if target.get("InputPath"):
        return at_path(event, target["InputPath"])
    transformer = target.get("InputTransformer")
    if not transformer:
        return event
    paths = transformer.get("InputPathsMap") or {}
    values = {name: at_path(event, path) for name, path in paths.items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": ingested,
        "aws.events.event.json": event,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
    }
    return _parsed(filled(transformer["InputTemplate"], values))


def at_path(event: Any, path: str) -> Any:
    """What a JSON path such as `$.detail.items[0]` points to; None when there is nothing."""
    for dotted, index, quoted in _STEP.findall(path):
        try:
            event = event[int(index)] if index else event[dotted or quoted]
        except (KeyError, IndexError, TypeError):
            return None
    return event


def filled(template: str, values: Mapping[str, Any]) -> str:
    """A template with its `<names>` replaced: by JSON, or within quotes by text. Unknown names stay."""
    quoted = False

    def replace(match: re.Match[str]) -> str:
        nonlocal quoted
        name = match[1]
        if name is None:
            quoted ^= match[0] == '"'
            return match[0]
        if name not in values:
            return match[0]
        value = values[name]
        if not quoted:
            return json.dumps(value)
        if value is None:
            return ""
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _TOKEN.sub(replace, template)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
