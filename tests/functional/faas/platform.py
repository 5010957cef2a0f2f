"""`python -m workbench.faas.serve` as a child, for tests."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from typing import Any, Self

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

ROLE = "arn:aws:iam::000000000000:role/test"

HANDLER = """
import json, os, sys, time, uuid
ME = uuid.uuid4().hex
COUNT = 0

def handler(event, context):
    global COUNT
    COUNT += 1
    if "print" in event:
        print(event["print"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "exit" in event:
        os._exit(event["exit"])
    if "eat_mb" in event:
        hog = bytearray(event["eat_mb"] * 2**20)
        hog[::4096] = b"x" * len(hog[::4096])
        return len(hog)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "big" in event:
        return "x" * event["big"]
    if "append" in event:
        with open(event["append"], "a") as file:
            file.write(event["line"] + "\\n")
        if "then_raise" in event:
            raise RuntimeError(event["then_raise"])
    client = context.client_context
    return {
        "event": event, "me": ME, "count": COUNT, "pid": os.getpid(), "variable": os.environ.get("GREETING"),
        "name": context.function_name, "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(), "custom": client.custom if client else None,
    }
"""

_numbers = itertools.count(1)


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return buffer.getvalue()


CODE = zipped(app=HANDLER)


class Platform:
    def __init__(self, *arguments: str, isolation: str = "process", **popen: Any) -> None:
        module = "workbench.events" if {"--aws", "--aws-endpoint"} & set(arguments) else "workbench.faas.serve"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--isolation", isolation, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            **popen,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the platform ended with {self.process.wait()} before it was ready")
        self.ready = json.loads(line)
        self.endpoint: str = self.ready["endpoint"]
        self.client = self.client_with()

    def client_with(self, **changes: Any) -> Any:
        values = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.ready["access_key_id"],
            "aws_secret_access_key": self.ready["secret_access_key"],
            "region_name": self.ready["region"],
            "config": Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=50),
        }
        return boto3.client("lambda", **{**values, **changes})

    def create(self, code: bytes = CODE, **settings: Any) -> str:
        name = f"fn-{next(_numbers)}"
        values = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "MemorySize": 1769, "Timeout": 20}
        self.client.create_function(FunctionName=name, Code={"ZipFile": code}, **{**values, **settings})
        return name

    def warm_up(self) -> None:
        """Have the first instance of a test run built, with all its runtime's files: no test should wait for that."""
        name = self.create()
        self.value(name)
        self.delete(name)

    def delete(self, name: str) -> None:
        try:
            self.client.delete_function(FunctionName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def invoke(self, name: str, event: Any = None, **more: Any) -> Any:
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event or {}).encode(), **more)
        answer["Body"] = answer["Payload"].read()
        answer["Headers"] = answer["ResponseMetadata"]["HTTPHeaders"]
        return answer

    def value(self, name: str, event: Any = None, **more: Any) -> Any:
        answer = self.invoke(name, event, **more)
        assert "FunctionError" not in answer, answer["Body"]
        return json.loads(answer["Body"])

    def raw(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, signed: bool = True
    ) -> Any:
        request = AWSRequest(method, self.endpoint + path, headers=headers or {}, data=body)
        if signed:
            credentials = Credentials(self.ready["access_key_id"], self.ready["secret_access_key"])
            SigV4Auth(credentials, "lambda", self.ready["region"]).add_auth(request)
        return URLLib3Session().send(request.prepare())

    def ask(self, method: str, path: str) -> Any:
        answer = self.raw(method, "/_workbench/" + path)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.content)

    def instances(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"functions/{name}/instances")["instances"]
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of `condition`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
