"""The handler that every contender serves: it gives the event back and says which instance answered.

The instance's word is drawn when the handler is loaded, so an answer with a new one is proof of a cold start.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile

PYTHON = """\
import os

INSTANCE = os.urandom(8).hex()


def handler(event, context):
    return {"event": event, "instance": INSTANCE}
"""

NODE = """\
const instance = require("node:crypto").randomBytes(8).toString("hex");

exports.handler = async (event) => ({ event, instance });
"""

EVENT = {"sku": "A1", "quantity": 3}
BODY = json.dumps(EVENT).encode()
PYTHON_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
NODE_RUNTIME = "nodejs20.x"
ROLE = "arn:aws:iam::000000000000:role/bench"
MEMORY_MB = 1769
"""One vCPU on AWS, and so on our platform: the peers do not limit theirs."""


def zipped(name: str, text: str) -> bytes:
    """A package of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def instance_of(answer: bytes) -> str:
    """The instance that gave `answer`; raises AssertionError when it is not our handler's."""
    said = json.loads(answer)
    assert isinstance(said, dict), f"not the handler's answer: {answer[:300]!r}"
    assert said.get("event") == EVENT, f"not the handler's answer: {answer[:300]!r}"
    return str(said["instance"])
