"""The platform's functions: their settings and code, and how AWS shows them."""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from workbench.errors import PackageError
from workbench.faas.aws_errors import invalid
from workbench.isolation import languages
from workbench.service import Resources

ACCOUNT = "000000000000"
LATEST = "$LATEST"
_PYTHON = re.compile(r"python3\.\d+")
_RUNNING = f"python{sys.version_info.major}.{sys.version_info.minor}"

# What both CreateFunction and UpdateFunctionConfiguration take. Only the first line has an effect here; the rest is
# kept and shown, as a description is.
_EFFECTIVE = ("Handler", "Runtime", "Timeout", "MemorySize", "Environment", "EphemeralStorage")
_KEPT = ("Role", "Description", "TracingConfig", "LoggingConfig", "DeadLetterConfig", "KMSKeyArn", "FileSystemConfigs")
SETTINGS = (*_EFFECTIVE, *_KEPT)

_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "EphemeralStorage": {"Size": 512},
    "TracingConfig": {"Mode": "PassThrough"},
    "PackageType": "Zip",
    "Architectures": ["x86_64"],
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
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

    @property
    def id(self) -> str:
        """What the scheduler knows it by: the name, and for a published version `name:number`."""
        return self.name if self.number == LATEST else f"{self.name}:{self.number}"

    @property
    def arn(self) -> str:
        """Its Amazon Resource Name, in an account of zeros."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"

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
        wish = self.settings.get("SnapStart", {}).get("ApplyOn", "None")
        return self.number != LATEST and wish == "PublishedVersions"

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

    def configuration(self) -> dict[str, Any]:
        """As AWS's FunctionConfiguration; a change is in force when it is answered, so the state is always Active."""
        return {
            **self.settings,
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "CodeSize": self.code_size,
            "CodeSha256": base64.b64encode(bytes.fromhex(self.code_sha256)).decode(),
            "LastModified": self.last_modified,
            "Version": LATEST,
            "RevisionId": self.revision,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": self.settings.get("LoggingConfig")
            or {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
            "RuntimeVersionConfig": {
                "RuntimeVersionArn": f"arn:aws:lambda:{self.region}::runtime:{_RUNNING}.{sys.version_info.micro}"
            },
        }

    def with_code(self, sha256: str, size: int) -> Function:
        """The function with other code."""
        return replace(self, code_sha256=sha256, code_size=size, **_changed())

    def with_settings(self, changes: Mapping[str, Any]) -> Function:
        """The function with other settings; raises AwsError when they make no function that can run here."""
        changed = replace(self, settings={**self.settings, **changes}, **_changed())
        _check(changed)
        return changed

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Function:
        """What `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "layers": tuple(values.get("layers", ()))})


class Functions:
    """All functions by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Function] = {}

    def get(self, name: str) -> Function | None:
        """The function of that name."""
        return self._by_name.get(name)

    def put(self, function: Function) -> None:
        """Add or replace one."""
        self._by_name[function.name] = function

    def remove(self, name: str) -> None:
        """Forget one."""
        self._by_name.pop(name, None)

    def __iter__(self) -> Iterator[Function]:
        return iter(sorted(self._by_name.values(), key=lambda f: f.name))

    def __len__(self) -> int:
        return len(self._by_name)

    def reserved(self, *, but: str = "") -> int:
        """The concurrency reserved by all functions, one left out."""
        return sum(f.reserved or 0 for f in self._by_name.values() if f.name != but)


def new_function(name: str, region: str, given: Mapping[str, Any], sha256: str, size: int) -> Function:
    """A function from CreateFunction's input; raises AwsError when it cannot run here."""
    settings = {**_DEFAULTS, **{k: given[k] for k in (*SETTINGS, "Architectures") if k in given}}
    function = Function(name, region, settings, sha256, size, tags=given.get("Tags", {}), **_changed())
    _check(function)
    return function


def _changed() -> dict[str, Any]:
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"
    return {"last_modified": stamp, "revision": str(uuid.uuid4())}


def _check(function: Function) -> None:
    settings = function.settings
    for needed in ("Runtime", "Handler"):
        if not settings.get(needed):
            raise invalid(f"{needed} is mandatory for functions created with deployment packages.")
    runtime = settings["Runtime"]
    if not _PYTHON.fullmatch(runtime):
        raise invalid(
            f"The runtime {runtime} is not available here; this platform runs Python functions (on {_RUNNING}). "
            f"Use Runtime={_RUNNING}."
        )
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


_RESERVED = frozenset({"_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION"})
