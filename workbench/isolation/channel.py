"""What every back end does the same way to reach the inside: the control channel, the listener, the output pipe, the
environment."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from workbench.errors import DeploymentError
from workbench.isolation import languages
from workbench.sandbox import SandboxSpec
from workbench.session import VARIABLE, session_id

HTTP_ENTRY = "http_host.py"
LAMBDA_ENTRY = "lambda_host.py"
PYTHON_OPTIONS = languages.PYTHON_OPTIONS
OUTPUT_BYTES = 1 << 20


def interpreter() -> str:
    """The interpreter itself, not a virtual environment's link to it: what the other sandboxes have inside."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Our end of a control channel and the inside's; neither is inherited unless asked for."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return ours, theirs


def output_pipe() -> tuple[int, int]:
    """Read end (non-blocking) and write end of an instance's output."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    if sys.platform == "linux":
        import fcntl

        try:  # so that a burst of output does not make the handler wait for whoever reads it
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, OUTPUT_BYTES)
        except OSError:
            pass  # beyond this user's share of pipe memory: the default size does
    return read_end, write_end


def http_listener() -> socket.socket:
    """A listening socket on a free loopback port, for an `http_host.py` to inherit."""
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def address_of(listener: socket.socket) -> str:
    """The URL that `listener` is reached at from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def environment(
    spec: SandboxSpec,
    *,
    task_root: str,
    runtime_dir: str,
    home: str,
    lang_dir: str = languages.INSIDE,
    opt_dir: str = "/opt",
) -> dict[str, str]:
    """The whole environment of the inside: what AWS Lambda sets, what finds the instance again, and the service's own.

    The names are those of the AWS Lambda developer guide, "Defined runtime environment variables". The service's own
    variables cannot replace them, as on Lambda.
    """
    region = spec.environment.get("AWS_REGION", "us-east-1")
    name = spec.environment.get("AWS_LAMBDA_FUNCTION_NAME", spec.name)
    of_language = {"AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}"}
    if needs_libraries(spec):
        of_language["LD_LIBRARY_PATH"] = f"{task_root}:{task_root}/lib:{opt_dir}/lib"
    of_language |= languages.environment(
        spec.language, runtime_dir=runtime_dir, task_root=task_root, lang_dir=lang_dir, opt_dir=opt_dir
    )
    for_the_host: dict[str, str] = {}  # which takes them out again
    if spec.opt is not None:
        for_the_host["WORKBENCH_OPT"] = opt_dir
    if spec.ports:
        for_the_host["WORKBENCH_PORTS"] = json.dumps(spec.ports)
    return {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{spec.name}",
        "WORKBENCH_TIMEOUT_S": str(spec.resources.timeout_s),
        **of_language,
        **spec.environment,
        "_HANDLER": spec.handler,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": of_language["AWS_EXECUTION_ENV"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.resources.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_REGION": region,
        "HOME": home,
        "LAMBDA_RUNTIME_DIR": runtime_dir,
        "LAMBDA_TASK_ROOT": task_root,
        "TMPDIR": home,
        VARIABLE: session_id(),
        "WORKBENCH_INSTANCE": spec.name,
        **for_the_host,
    }


def needs_libraries(spec: SandboxSpec) -> bool:
    """Whether a layer brings shared libraries: only a process that starts with their place set finds them."""
    return spec.opt is not None and (spec.opt / "lib").is_dir()


def check(spec: SandboxSpec) -> None:
    """Raise DeploymentError for a spec that no back end can launch, before anything is made."""
    if spec.entry not in (HTTP_ENTRY, LAMBDA_ENTRY):
        raise DeploymentError(f"There is no entry {spec.entry!r}; choose {LAMBDA_ENTRY} or {HTTP_ENTRY}.")
    if not spec.name or "/" in spec.name or spec.name.startswith("."):
        raise DeploymentError(f"{spec.name!r} cannot name an instance; use letters, digits and dashes.")
    if not spec.code.is_dir():
        raise DeploymentError(f"There is no directory {spec.code} with the unpacked package. Deploy the service again.")
