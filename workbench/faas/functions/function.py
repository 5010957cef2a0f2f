"""The platform's functions: their settings and code, and how AWS shows them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from workbench.errors import PackageError
from workbench.faas.aws_errors import invalid
from workbench.faas.functions.code_store import opt_name
from workbench.isolation import languages
from workbench.service import Resources

ACCOUNT = "000000000000"
LATEST = "$LATEST"
_PYTHON = re.compile(r"python3\.\d+")
RUNNING = f"python{sys.version_info.major}.{sys.version_info.minor}"

# What both CreateFunction and UpdateFunctionConfiguration take. The second line is kept and shown, as a description is.
_EFFECTIVE = ("Handler", "Runtime", "Timeout", "MemorySize", "Environment", "EphemeralStorage", "SnapStart")
_KEPT = ("Role", "Description", "TracingConfig", "LoggingConfig", "DeadLetterConfig", "KMSKeyArn")
SETTINGS = (*_EFFECTIVE, *_KEPT)

_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "EphemeralStorage": {"Size": 512},
    "TracingConfig": {"Mode": "PassThrough"},
    "PackageType": "Zip",
    "Architectures": ["x86_64"],
    "SnapStart": {"ApplyOn": "None"},
}


@dataclass(frozen=True)
class Function:
    """One function as configured now; `settings` is what AWS's FunctionConfiguration shows of it."""

    name: str
    region: str
    settings: Mapping[str, Any]
    code_sha256: str  # hexadecimal
    code_size: int
    last_modified: str
    revision: str
    tags: Mapping[str, str] = field(default_factory=dict)
    reserved: int | None = None
    number: str = LATEST  # "$LATEST", or the number that PublishVersion gave
    layers: tuple[str, ...] = ()  # digests of its layers' code, hexadecimal, in the order they are laid over each other
    state: str = "Active"  # "Pending" while a version's snapshot is made, "Failed" when that went wrong
    state_reason: str = ""
    origin: str = ""  # of a version: the `content` that $LATEST had
    update_runtime_on: str = "Auto"
    recursive_loop: str = "Terminate"

    @property
    def id(self) -> str:
        """What the scheduler knows it by: the name, and for a published version `name:number`."""
        return self.name if self.number == LATEST else f"{self.name}:{self.number}"

    @property
    def arn(self) -> str:
        """The function's Amazon Resource Name, in an account of zeros; whatever the version."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"

    @property
    def version_arn(self) -> str:
        """The ARN of exactly this version."""
        return f"{self.arn}:{self.number}"

    @property
    def stored(self) -> frozenset[str]:
        """What it needs of the stored code, by the names that the code store has for it."""
        return frozenset({self.code_sha256, *self.layers, opt_name(self.layers)} - {""})

    @property
    def content(self) -> str:
        """A digest of all that a published version has of it."""
        parts = json.dumps([dict(self.settings), self.code_sha256, self.layers], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def version(self) -> str:
        """Changes with every change that running instances do not have."""
        return self.revision

    @property
    def language(self) -> str:
        """`python`, `nodejs` or `java`."""
        return languages.of(str(self.settings["Runtime"]))

    @property
    def snap_start(self) -> bool:
        """Whether its instances are forked from an initialised one."""
        return self.number != LATEST and _apply_on(self.settings) == "PublishedVersions"

    @property
    def timeout_s(self) -> int:
        """The time limit of one invocation."""
        return int(self.settings["Timeout"])

    @property
    def memory_mb(self) -> int:
        """The memory of one instance."""
        return int(self.settings["MemorySize"])

    @property
    def resources(self) -> Resources:
        """The limits of one instance."""
        return Resources(self.memory_mb, self.timeout_s, int(self.settings["EphemeralStorage"]["Size"]))

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its own."""
        return dict(self.settings.get("Environment", {}).get("Variables", {}))

    def configuration(self, arn: str = "") -> dict[str, Any]:
        """As AWS's FunctionConfiguration, under its unqualified ARN unless another is given.

        A change is in force when it is answered, so only a version whose snapshot is being made is not Active.
        """
        return {
            **self.settings,
            "FunctionName": self.name,
            "FunctionArn": arn or self.arn,
            "CodeSize": self.code_size,
            "CodeSha256": base64_digest(self.code_sha256),
            "LastModified": self.last_modified,
            "Version": self.number,
            "RevisionId": self.revision,
            "State": self.state,
            "StateReason": self.state_reason or None,
            "StateReasonCode": {"Pending": "Creating", "Failed": "FunctionError"}.get(self.state),
            "LastUpdateStatus": "Successful",
            "LoggingConfig": self.settings.get("LoggingConfig")
            or {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
            "SnapStart": {
                "ApplyOn": _apply_on(self.settings),
                "OptimizationStatus": "On" if self.snap_start and self.state == "Active" else "Off",
            },
            "RuntimeVersionConfig": {"RuntimeVersionArn": self.runtime_version_arn},
        }

    @property
    def runtime_version_arn(self) -> str:
        """The ARN of the runtime that it runs on."""
        on = f"{RUNNING}.{sys.version_info.micro}" if self.language == "python" else self.settings["Runtime"]
        return f"arn:aws:lambda:{self.region}::runtime:{on}"

    def with_code(self, sha256: str, size: int) -> Function:
        """The function with other code."""
        return replace(self, code_sha256=sha256, code_size=size, **_changed())

    def with_settings(self, changes: Mapping[str, Any]) -> Function:
        """The function with other settings; raises AwsError when they make no function that can run here."""
        changed = replace(self, settings={**self.settings, **changes}, **_changed())
        _check(changed)
        return changed

    def with_layers(self, layers: Sequence[tuple[str, str, int]]) -> Function:
        """The function with other layers, each as its version's ARN, the digest of its code and the ZIP's size."""
        shown = [{"Arn": arn, "CodeSize": size} for arn, _, size in layers]
        settings = {k: v for k, v in self.settings.items() if k != "Layers"} | ({"Layers": shown} if shown else {})
        return replace(self, settings=settings, layers=tuple(digest for _, digest, _ in layers), **_changed())

    def published(self, number: int, description: str | None) -> Function:
        """The version of that number, as this is now."""
        settings = self.settings if description is None else {**self.settings, "Description": description}
        version = replace(self, settings=settings, number=str(number), origin=self.content, **_changed())
        return replace(version, state="Pending", state_reason=_PREPARING) if version.snap_start else version

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Function:
        """What `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "layers": tuple(values.get("layers", ()))})


def new_function(name: str, region: str, given: Mapping[str, Any], sha256: str, size: int) -> Function:
    """A function from CreateFunction's input; raises AwsError when it cannot run here."""
    settings = {**_DEFAULTS, **{k: given[k] for k in (*SETTINGS, "Architectures") if k in given}}
    function = Function(name, region, settings, sha256, size, tags=given.get("Tags", {}), **_changed())
    _check(function)
    return function


def _apply_on(settings: Mapping[str, Any]) -> str:
    return str(settings.get("SnapStart", {}).get("ApplyOn", "None"))


def timestamp() -> str:
    """Now, as the API writes it."""
    now = datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"


def base64_digest(sha256: str) -> str:
    """A hexadecimal digest as the API shows it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _changed() -> dict[str, Any]:
    return {"last_modified": timestamp(), "revision": str(uuid.uuid4())}


def _check(function: Function) -> None:
    settings = function.settings
    for needed in ("Runtime", "Handler"):
        if not settings.get(needed):
            raise invalid(f"{needed} is mandatory for functions created with deployment packages.")
    runtime = settings["Runtime"]
    language = function.language
    if not language or (language == "python" and not _PYTHON.fullmatch(runtime)):
        raise invalid(
            f"The runtime {runtime} is not available here; this platform runs Python 3 functions (on {RUNNING}), and "
            f"Node.js and Java functions where those are installed. Use Runtime={RUNNING}."
        )
    if _apply_on(settings) != "None":
        if language != "python":
            raise invalid(f"{runtime} is not supported for SnapStart enabled functions; only Python is here.")
        if settings["EphemeralStorage"]["Size"] > 512:
            raise invalid("SnapStart is not supported with an EphemeralStorage of more than 512 MB; leave one out.")
    try:
        _ = function.resources
    except PackageError as error:
        raise invalid(str(error)) from error
    variables = function.environment
    if sum(len(k.encode()) + len(v.encode()) for k, v in variables.items()) > 4096:
        raise invalid("The environment variables are larger than 4 KB in total; keep them shorter.")
    reserved = [k for k in variables if k.startswith(("AWS_LAMBDA_", "WORKBENCH_")) or k in _RESERVED]
    if reserved or any("\0" in v for v in variables.values()):
        what = ", ".join(sorted(reserved)) or "a value with a zero byte"
        raise invalid(f"The environment variables you provided contain what the platform keeps for itself: {what}.")


_PREPARING = "The function is being initialized for its snapshot."
_RESERVED = frozenset({"_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION"})
