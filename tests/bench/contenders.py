"""Who takes part: each deploys the same handler, gives a cold start on demand, and takes load at a URL.

A cold start counts from the first byte of the request (for `docker run`: from the command) to the last of the first
answer. That it was one is confirmed by the answer's instance being new, except for a snapshot's, whose instances share
what initialisation drew: there the platform's own word is taken.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Protocol

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.bench import handlers
from tests.bench.clients import Answer, Caller, Request
from tests.functional.faas.platform import Platform

FUNCTIONS = 40
"""Of each language in serverless-offline: one is kept warm, each other one gives one cold start."""


class Contender(Protocol):
    """Somebody who serves the handler."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def cold_ms(self) -> float:
        """The milliseconds of one cold start; raises AssertionError when it was none."""

    def warm(self) -> Request:
        """The request that invokes the handler again and again, good for five minutes."""


def path(function: str) -> str:
    """Where Invoke of AWS Lambda's API is."""
    return f"/2015-03-31/functions/{function}/invocations"


def lambda_client(endpoint: str, access_key_id: str, secret_access_key: str) -> Any:
    """boto3's client, for what is not timed."""
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 0}, read_timeout=60),
    )


class Fresh:
    """Says of each answer whether its instance is new."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def check(self, who: str, answer: Answer) -> float:
        """The answer's time; raises AssertionError when the handler did not answer, or an instance seen before."""
        assert answer.status == 200, f"{who} answered {answer.status}: {answer.body[:300]!r}"
        instance = handlers.instance_of(answer.body)
        assert instance not in self._seen, f"{who}: not a cold start, instance {instance} has answered before"
        self._seen.add(instance)
        return answer.ms


class Workbench:
    """Our platform, one function of it, its cold starts forced by the header that it has for that.

    `technique` is how its instances start; empty: as the platform does by itself.
    """

    def __init__(self, platform: Platform, name: str, *, technique: str = "", node: bool = False) -> None:
        self.name = name
        self._platform = platform
        self._technique = technique
        snapshot = technique == "snapshot"
        self._function = platform.create(
            handlers.zipped("app.js", handlers.NODE) if node else handlers.zipped("app.py", handlers.PYTHON),
            Runtime=handlers.NODE_RUNTIME if node else handlers.PYTHON_RUNTIME,
            MemorySize=handlers.MEMORY_MB,
            **({"SnapStart": {"ApplyOn": "PublishedVersions"}} if snapshot else {}),
        )
        if snapshot:
            platform.client.get_waiter("function_active_v2").wait(FunctionName=self._function)
            version = platform.client.publish_version(FunctionName=self._function)["Version"]
            self._function += f":{version}"
            platform.client.get_waiter("function_active_v2").wait(FunctionName=self._function)
        self._caller = Caller(platform.endpoint)
        self._fresh = Fresh()

    def cold_ms(self) -> float:
        answer = self._caller.call(self._request({"X-Workbench-Cold": self._technique or "force"}))
        assert answer.status == 200, f"{self.name} answered {answer.status}: {answer.body[:300]!r}"
        assert answer.headers["X-Workbench-Cold"] == "1", f"{self.name}: not a cold start"
        if self._technique == "snapshot":
            handlers.instance_of(answer.body)
            return answer.ms
        return self._fresh.check(self.name, answer)

    def warm(self) -> Request:
        return self._request()

    def _request(self, headers: dict[str, str] | None = None) -> Request:
        request = AWSRequest(
            "POST", self._platform.endpoint + path(self._function), headers=headers or {}, data=handlers.BODY
        )
        ready = self._platform.ready
        credentials = Credentials(ready["access_key_id"], ready["secret_access_key"])
        SigV4Auth(credentials, "lambda", ready["region"]).add_auth(request)
        return Request(str(request.url), {name: str(value) for name, value in request.headers.items()})


class MiniStack:
    """MiniStack: a new function for every cold start, as it has no way to ask for one (its issue 1300)."""

    name = "MiniStack"

    def __init__(self, port: int) -> None:
        self._endpoint = f"http://127.0.0.1:{port}"
        self._client = lambda_client(self._endpoint, "test", "test")
        self._caller = Caller(self._endpoint)
        self._fresh = Fresh()
        self._made = 0
        self._warm = self._create()

    def cold_ms(self) -> float:
        function = self._create()
        self._client.get_waiter("function_active_v2").wait(FunctionName=function)
        try:
            return self._fresh.check(self.name, self._caller.call(Request(self._endpoint + path(function))))
        finally:
            self._client.delete_function(FunctionName=function)

    def warm(self) -> Request:
        return Request(self._endpoint + path(self._warm), {"Content-Type": "application/json"})

    def _create(self) -> str:
        self._made += 1
        name = f"echo-{self._made}"
        self._client.create_function(
            FunctionName=name,
            Runtime=handlers.PYTHON_RUNTIME,
            Handler="app.handler",
            Role=handlers.ROLE,
            MemorySize=handlers.MEMORY_MB,
            Code={"ZipFile": handlers.zipped("app.py", handlers.PYTHON)},
        )
        return name


class ServerlessOffline:
    """serverless-offline: its configuration lists as many functions as there will be cold starts."""

    def __init__(self, name: str, endpoint: str, functions: list[str]) -> None:
        self.name = name
        self._endpoint = endpoint
        self._warm, *self._unused = functions
        self._caller = Caller(endpoint)
        self._fresh = Fresh()

    def cold_ms(self) -> float:
        function = self._unused.pop()
        return self._fresh.check(self.name, self._caller.call(Request(self._endpoint + path(function))))

    def warm(self) -> Request:
        return Request(self._endpoint + path(self._warm), {"Content-Type": "application/json"})


def configuration(functions: dict[str, str], *, http_port: int, lambda_port: int) -> str:
    """A `serverless.yml` (JSON is YAML) of functions, from their names to their runtimes."""
    return json.dumps(
        {
            "service": "bench",
            "provider": {"name": "aws", "runtime": handlers.NODE_RUNTIME, "region": "us-east-1"},
            "plugins": ["serverless-offline"],
            "custom": {"serverless-offline": {"host": "127.0.0.1", "httpPort": http_port, "lambdaPort": lambda_port}},
            "functions": {
                name: {
                    "name": name,
                    "handler": "app_py.handler" if runtime.startswith("python") else "app_js.handler",
                    "runtime": runtime,
                    "memorySize": handlers.MEMORY_MB,
                }
                for name, runtime in functions.items()
            },
        }
    )


@contextlib.contextmanager
def called(contender: Contender) -> Iterator[Contender]:
    """Checked before and after load that the answers are the handler's."""
    _check(contender)
    yield contender
    _check(contender)


def _check(contender: Contender) -> None:
    request = contender.warm()
    caller = Caller(request.url)
    with contextlib.closing(caller):
        answer = caller.call(request)
    assert answer.status == 200, f"{contender.name} answered {answer.status}: {answer.body[:300]!r}"
    handlers.instance_of(answer.body)
