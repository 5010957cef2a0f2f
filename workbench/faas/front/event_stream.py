"""AWS's event stream encoding (`application/vnd.amazon.eventstream`), as far as Lambda's responses need it.

A message: its length and that of its headers (big-endian, four bytes each), the CRC-32 of both, the headers (length of
name, name, type 7 for a string, length, value), the payload, the CRC-32 of everything before (AWS SDKs and Tools
reference; Smithy's `aws.protocols` "Amazon Event Stream specification").
"""

from __future__ import annotations

import json
import struct
from binascii import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def message(event: str, content_type: str, payload: bytes) -> bytes:
    """One event with its payload."""
    fields = ((":message-type", "event"), (":event-type", event), (":content-type", content_type))
    headers = b"".join(map(_header, fields))
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    before = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return before + struct.pack(">I", crc32(before))


def _header(field: tuple[str, str]) -> bytes:
    name, value = (text.encode() for text in field)
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value


def payload_chunk(chunk: bytes) -> bytes:
    """Lambda's PayloadChunk: bytes of the response."""
    return message("PayloadChunk", "application/octet-stream", chunk)


def invoke_complete(error: str | None, details: bytes, log_result: str | None) -> bytes:
    """Lambda's InvokeComplete, the last event; `log_result` in base64."""
    content: dict[str, str] = {}
    if error is not None:
        content = {"ErrorCode": error, "ErrorDetails": details.decode("utf-8", "replace")}
    if log_result is not None:
        content["LogResult"] = log_result
    return message("InvokeComplete", "application/json", json.dumps(content).encode())
