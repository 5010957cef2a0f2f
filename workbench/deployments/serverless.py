"""The service as a function: its ZIP on the local Lambda-compatible platform, driven by plain boto3.

Nothing runs until a request comes; the platform starts an instance for every request that finds none idle.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import time
import uuid
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError, WaiterError

from workbench.deployment import Credentials
from workbench.deployments.platform import Platform
from workbench.errors import DeploymentError, HandlerError, InvocationError, InvocationTimeout, Throttled
from workbench.faas.running import outbound
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Phases, Target
from workbench.package import Package, package
from workbench.service import Service

SANDBOXES = ("namespaces", "process", "docker")
ROLE = "arn:aws:iam::000000000000:role/workbench"
COLD_HEADER = "X-Workbench-Cold"


def deploy(service: Service, sandbox: str = "auto", *, idle_expiry_s: float | None = None) -> ServerlessDeployment:
    """Start a platform of its own and create the function on it; it ends instances idle for `idle_expiry_s` seconds."""
    if sandbox != "auto" and sandbox not in SANDBOXES:
        raise DeploymentError(f"Serverless has no sandbox {sandbox!r}; choose auto or one of {', '.join(SANDBOXES)}.")
    platform = Platform(sandbox, idle_expiry_s)
    try:
        deployment = ServerlessDeployment(service, platform, owns_platform=True)
        deployment.idle_expiry_s = idle_expiry_s
        return deployment
    except BaseException:
        platform.close()
        raise


class ServerlessDeployment:
    """One function of a platform."""

    pattern = "serverless"
    idle_expiry_s: float | None = None
    """What the platform was told when it was started; None: its default."""

    def __init__(self, service: Service, platform: Platform, *, owns_platform: bool) -> None:
        self.service = service
        self._platform = platform
        self._owns_platform = owns_platform
        self._closed = False
        self._of: ServerlessDeployment | None = None
        self._qualifier: str | None = None
        self._name = f"{service.name[:50]}-{uuid.uuid4().hex[:6]}"
        self._path = f"/2015-03-31/functions/{quote(self._name)}/invocations"
        timeout = service.resources.timeout_s + 30  # the function's own limit answers first; 30 s more for its init
        self._client = platform.access.client(timeout)
        self._cold_client = self._client_for("force")
        health = platform.request("GET", "/_workbench/health")
        self._isolation = str(health["isolation"])
        self.techniques: tuple[str, ...] = tuple(health["techniques"])
        self.sandbox = self._labelled(health["technique"])
        self._create(package(service, unlimited=True))  # what is too large the platform refuses

    @property
    def endpoint(self) -> str:
        """The platform's address, as boto3's `endpoint_url` takes it."""
        return self._platform.access.endpoint

    @property
    def function(self) -> str:
        """The function's name on the platform, as boto3 takes it for `FunctionName`."""
        return self._name

    @property
    def arn(self) -> str:
        """The function's ARN, as event sources take it."""
        return str(self._client.get_function_configuration(FunctionName=self._name)["FunctionArn"])

    @property
    def credentials(self) -> Credentials:
        """What the platform takes signatures of; `targets` are signed for five minutes only."""
        access = self._platform.access
        return Credentials(access.access_key_id, access.secret_access_key, access.region)

    def invoke(self, payload: Any) -> InvocationResult:
        """Invoke RequestResponse through boto3, with the log's tail."""
        return self._invoke(self._client, payload)

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """The same, on an instance made for this request."""
        return self._invoke(self._cold_client, payload)

    def by(self, technique: str) -> Self:
        """The same function, whose cold starts are by the technique named, of `techniques`; ends with this one.

        Its `pattern` is the technique's name, so that measurements of several can stand beside each other.
        Raises DeploymentError when there is no such technique here, or no snapshot can be made of the function.
        """
        if technique not in self.techniques:
            raise DeploymentError(f"Here instances are started by {', '.join(self.techniques)}; not by {technique!r}.")
        if technique == "snapshot":
            self._ask("POST", "template")  # before the first cold start, which must not pay for it
        other = self._view()
        other._cold_client = self._client_for(technique)
        other.pattern, other.sandbox = technique, self._isolation
        return other

    def provisioned(self, n: int) -> Self:
        """The same function with `n` instances kept ready (provisioned concurrency), until it is closed."""
        other = self._view()
        with _translated(f"keep {n} instances of {self._name} ready"):
            other._qualifier = str(self._client.publish_version(FunctionName=self._name)["Version"])
            self._client.get_waiter("published_version_active").wait(
                FunctionName=self._name, Qualifier=other._qualifier, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
            )
            self._client.put_provisioned_concurrency_config(
                FunctionName=self._name, Qualifier=other._qualifier, ProvisionedConcurrentExecutions=n
            )
        other._await_provisioned()
        other.pattern, other.sandbox = "provisioned", self._isolation
        return other

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """The Invoke request, signed once for many sends (AWS takes a signature for five minutes)."""
        body = json.dumps(payload).encode()
        signed = self._platform.access.signed("POST", self._path, body, {"Content-Type": "application/json"})
        headers = tuple((k, v.decode() if isinstance(v, bytes) else v) for k, v in signed.headers.items())
        return (Target(self.endpoint + self._path, "POST", headers, body, self.pattern),)

    def scale(self, n: int) -> None:
        """Let at most `n` instances run at once (reserved concurrency); none starts before it is needed."""
        with _translated(f"limit {self._name} to {n} instances"):
            self._client.put_function_concurrency(FunctionName=self._name, ReservedConcurrentExecutions=n)

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now."""
        return tuple(
            InstanceView(
                i["instance_id"],
                InstanceState(i["state"]),
                i["sandbox"],
                i["started_s"],
                i["invocations"],
                i["cpu_s"],
                i["peak_memory_bytes"],
            )
            for i in self._ask("GET", "instances")["instances"]
        )

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far; the platform's monotonic clock is this machine's."""
        return tuple(
            InstanceEvent(e["at_s"], e["instance_id"], InstanceState(e["state"]), e["detail"])
            for e in self._ask("GET", "events")["events"]
        )

    def logs(self, instance_id: str) -> str:
        """What an instance printed lately, with the platform's START, END and REPORT lines."""
        return str(self._ask("GET", f"logs/{quote(instance_id)}")["log"])

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would."""
        self._ask("DELETE", f"instances/{quote(instance_id)}")

    def update(self, service: Service) -> None:
        """Upload new code and settings, and wait until they are in force."""
        ready = package(service, unlimited=True)
        with _translated(f"update {self._name}"):
            self._client.update_function_code(FunctionName=self._name, ZipFile=ready.path.read_bytes())
            self._client.get_waiter("function_updated_v2").wait(
                FunctionName=self._name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
            self._client.update_function_configuration(FunctionName=self._name, **_settings(service))
        self.service = service

    def beside(self, service: Service) -> Self:
        """Another function on the same platform."""
        return type(self)(service, self._platform, owns_platform=False)

    def close(self) -> None:
        """Delete the function; with it the platform, where this deployment started it."""
        if self._closed:
            return
        self._closed = True
        if self._of is not None:
            self._close_view()
        elif self._owns_platform:
            self._platform.close()
        else:
            with _translated(f"delete {self._name}"):
                self._client.delete_function(FunctionName=self._name)
        self._cold_client.close()
        if self._of is None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _view(self) -> Self:
        other = copy.copy(self)
        other._of = self
        return other

    def _close_view(self) -> None:
        if self._qualifier is not None and self._of is not None and not self._of._closed:
            with _translated(f"keep no instances of {self._name} ready"):
                self._client.delete_provisioned_concurrency_config(FunctionName=self._name, Qualifier=self._qualifier)
                self._client.delete_function(FunctionName=self._name, Qualifier=self._qualifier)

    def _await_provisioned(self) -> None:
        while True:
            found = self._client.get_provisioned_concurrency_config(FunctionName=self._name, Qualifier=self._qualifier)
            if found["Status"] == "READY":
                return
            if found["Status"] == "FAILED":
                self.close()
                raise DeploymentError(f"No instance of {self._name} could be kept ready: {found.get('StatusReason')}")
            time.sleep(0.02)

    def _labelled(self, technique: str) -> str:
        return self._isolation if technique == "spawn" else f"{self._isolation}, {technique}"

    def _client_for(self, cold: str) -> Any:
        client = self._platform.access.client(self.service.resources.timeout_s + 30)
        client.meta.events.register("before-sign.lambda.Invoke", functools.partial(_ask_for_cold, cold=cold))
        return client

    def _create(self, ready: Package) -> None:
        with _translated(f"create {self._name}"):
            self._client.create_function(
                FunctionName=self._name,
                Role=ROLE,
                Code={"ZipFile": ready.path.read_bytes()},
                Tags={outbound.TAG: self.service.outbound} if self.service.outbound else {},
                **_settings(self.service),
            )
            self._client.get_waiter("function_active_v2").wait(
                FunctionName=self._name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )

    def _ask(self, method: str, what: str) -> Any:
        return self._platform.request(method, f"/_workbench/functions/{quote(self._name)}/{what}")

    def _invoke(self, client: Any, payload: Any) -> InvocationResult:
        began = time.perf_counter()
        try:
            which = {"Qualifier": self._qualifier} if self._qualifier else {}
            body = json.dumps(payload).encode()
            answer = client.invoke(FunctionName=self._name, Payload=body, LogType="Tail", **which)
            content = answer["Payload"].read()
        except client.exceptions.TooManyRequestsException as error:
            raise Throttled(f"{self._name} was throttled: {error}. Raise its concurrency with scale(n).") from error
        except ReadTimeoutError as error:
            raise InvocationTimeout(f"{self._name} did not answer in time.") from error
        except (ClientError, BotoCoreError) as error:
            raise InvocationError(f"The platform did not run {self._name}: {error}") from error
        latency_ms = (time.perf_counter() - began) * 1000
        given = json.loads(content) if content else None
        log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        if "FunctionError" in answer:
            raise _function_error(given, log)
        return _result(given, answer["ResponseMetadata"], log, latency_ms)


def _ask_for_cold(request: Any, *, cold: str, **_: Any) -> None:
    request.headers[COLD_HEADER] = cold


def _settings(service: Service) -> dict[str, Any]:
    return {
        "Runtime": service.runtime,
        "Handler": service.handler,
        "MemorySize": service.resources.memory_mb,
        "Timeout": service.resources.timeout_s,
        "EphemeralStorage": {"Size": service.resources.tmp_mb},
        "Environment": {"Variables": dict(service.environment)},
    }


def _result(body: Any, metadata: dict[str, Any], log: str, latency_ms: float) -> InvocationResult:
    headers = metadata["HTTPHeaders"]
    cold = headers.get("x-workbench-cold") == "1"
    phases = json.loads(headers.get("x-workbench-phases", "{}"))
    return InvocationResult(
        body,
        headers.get("x-workbench-instance", ""),
        cold,
        latency_ms,
        Phases(**phases) if cold else Phases(handler_ms=phases.get("handler_ms")),
        int(headers["x-workbench-billed-ms"]) if "x-workbench-billed-ms" in headers else None,
        int(headers["x-workbench-max-memory-mb"]) if "x-workbench-max-memory-mb" in headers else None,
        log,
        metadata["RequestId"],
    )


def _function_error(body: Any, log: str) -> InvocationError:
    fields = body if isinstance(body, dict) else {"errorMessage": str(body)}
    message = str(fields.get("errorMessage", ""))
    kind = str(fields.get("errorType", "Error"))
    if kind == "Sandbox.Timedout":
        return InvocationTimeout(f"{message}. Raise timeout_s, or look at the log:\n{log}")
    return HandlerError(message, kind, [str(line) for line in fields.get("stackTrace") or fields.get("trace") or ()])


class _translated:
    """Turns boto3's errors into one that says what was being done."""

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (ClientError, BotoCoreError, WaiterError)):
            raise DeploymentError(f"The platform would not {self.doing}: {error}") from error
