"""The service inside a long-running host: loaded once, called by direct invocation or by HTTP event."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading  # loaded already, by the server
import time

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DIRECT = "/2015-03-31/functions/function/invocations"
HEALTH = "/_workbench/health"
MALFORMED = (TypeError, ValueError, OverflowError, RecursionError)
"""What JSON, or making a response, may raise about a handler's result."""

_JSON = (("Content-Type", "application/json"),)


class LoadError(Exception):
    """The service's module cannot be loaded; `as_json` is what Lambda would report, `text` what it would print."""

    def __init__(self, error_type: str, message: str, trace: list[str]) -> None:
        super().__init__(message)
        self.as_json = {"errorType": error_type, "errorMessage": message, "stackTrace": trace}
        self.text = f"[ERROR] {error_type}: {message}\n" + "".join(trace)


class Context:
    """What a handler gets as its second argument, with the names that Lambda's has."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, request_id: str, deadline: float) -> None:
        name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function")
        region = os.environ.get("AWS_REGION", "us-east-1")
        self.aws_request_id = request_id
        self.function_name = name
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        self.invoked_function_arn = f"arn:aws:lambda:{region}:000000000000:function:{name}"
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = os.environ.get("WORKBENCH_INSTANCE", "")
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time limit; here the caller gives up then, the handler is not ended."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, message: object) -> None:
        """Write `message` to the instance's output."""
        sys.stdout.write(str(message))


class HostedService:
    """A loaded handler and the count of its answers."""

    def __init__(self, handler: Callable[[Any, Any], Any]) -> None:
        self._handler = handler
        self._timeout_s = float(os.environ.get("WORKBENCH_TIMEOUT_S", "30"))
        self._instance = os.environ.get("WORKBENCH_INSTANCE", "")
        self._health_path = os.environ.get("WORKBENCH_HEALTH_PATH", "").partition("?")[0]
        self._fresh = [True]
        most = int(os.environ.get("WORKBENCH_CONCURRENCY", "0"))
        self._places = threading.Semaphore(most) if most else None

    @classmethod
    def load(cls, name: str) -> HostedService:
        """Import `module.function`; raises LoadError with the error types that Lambda uses."""
        module_name, _, function = name.rpartition(".")
        try:
            module = importlib.import_module(module_name.replace("/", "."))
        except SyntaxError as error:
            trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
            message = f"Syntax error in module '{module_name}': {error}"
            raise LoadError("Runtime.UserCodeSyntaxError", message, trace) from error
        except ImportError as error:
            message = f"Unable to import module '{module_name}': {error}"
            raise LoadError("Runtime.ImportModuleError", message, _trace(error)) from error
        except BaseException as error:
            raise LoadError(type(error).__name__, str(error), _trace(error)) from error
        handler = getattr(module, function, None)
        if not callable(handler):
            raise LoadError("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'", [])
        return cls(handler)

    def answer(self, request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body for a request of `wb_http`."""
        if request.path == HEALTH:
            return 200, [*_JSON, ("X-Workbench-Instance", self._instance)], b'{"status":"ok"}'
        if request.path == DIRECT and request.method == "POST":
            return self._direct(request)
        return self._http(request)

    def _direct(self, request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            event = json.loads(request.body or b"{}")
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return 400, [*_JSON, ("X-Amzn-ErrorType", "InvalidRequestContentException")], _error_body(message)
        result, failure, headers = self._call(event)
        if failure is None:
            try:
                return 200, [*_JSON, *headers], dumps(result)
            except MALFORMED as error:
                failure = _marshal_failure(error)
        return 200, [*_JSON, *headers, ("X-Amz-Function-Error", "Unhandled")], json.dumps(failure).encode()

    def _http(self, request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        import wb_events  # type: ignore[import-not-found]  # what only this kind of call needs is loaded by its first

        asks_for_health = request.method == "GET" and request.path == self._health_path
        result, failure, headers = self._call(wb_events.event(request), counts=not asks_for_health)
        if failure is None:
            try:
                status, own, body = wb_events.response(result, dumps)
                return status, [*own, *headers], body
            except MALFORMED as error:
                _print_failure(_marshal_failure(error))
        headers.append(("X-Amz-Function-Error", "Unhandled"))
        return 502, [*_JSON, *headers], b'{"message":"Internal Server Error"}'

    def _call(self, event: Any, *, counts: bool = True) -> tuple[Any, dict[str, Any] | None, list[tuple[str, str]]]:
        if self._places is None or not counts:  # a health check does not stand in line, or a busy instance were ill
            return self._call_now(event, counts)
        with self._places:
            return self._call_now(event, counts)

    def _call_now(self, event: Any, counts: bool) -> tuple[Any, dict[str, Any] | None, list[tuple[str, str]]]:
        request_id = _request_id()
        started = time.monotonic()
        result = failure = None
        try:
            result = self._handler(event, Context(request_id, started + self._timeout_s))
        except BaseException as error:  # also SystemExit: one request must not end the others' server
            failure = {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "requestId": request_id,
                "stackTrace": _trace(error),
            }
            _print_failure(failure)
        headers = [
            ("X-Workbench-Instance", self._instance),
            ("X-Workbench-Handler-Ms", f"{(time.monotonic() - started) * 1000:.3f}"),
            ("X-Amzn-RequestId", request_id),
        ]
        if counts and self._fresh and self._fresh.pop():  # pop is atomic: one answer alone is the first
            headers.append(("X-Workbench-Cold", "1"))
        return result, failure, headers


def dumps(value: Any) -> bytes:
    """`value` as JSON, as AWS's runtime client would write it; raises TypeError or ValueError where it cannot."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except TypeError:
        from awslambdaric.lambda_runtime_marshaller import to_json  # knows Decimal; slower, so only when needed

        return str(to_json(value)).encode()


def _request_id() -> str:
    # A random UUID (version 4, RFC 9562); the module for them takes longer to load than all of this server.
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _marshal_failure(error: Exception) -> dict[str, Any]:
    message = f"Unable to marshal response: {error}"
    return {"errorMessage": message, "errorType": "Runtime.MarshalError", "requestId": "", "stackTrace": []}


def _error_body(message: str) -> bytes:
    return json.dumps({"Type": "User", "message": message}).encode()


def _trace(error: BaseException) -> list[str]:
    # Without our own frame and the import machinery: the first line is the service's.
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    return traceback.format_list(own)


def _print_failure(failure: dict[str, Any]) -> None:
    trace = "".join(failure["stackTrace"])
    sys.stdout.write(f"[ERROR] {failure['errorType']}: {failure['errorMessage']}\n{trace}")
