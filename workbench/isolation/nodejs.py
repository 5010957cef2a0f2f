"""Node.js in a box: this machine's own, with the shared libraries it needs.

The AWS SDK for JavaScript, which AWS's managed Node.js runtimes bring, is not part of it: a service that uses it has it
in its package or in a layer (`nodejs/node_modules`), as AWS itself advises for a version one can rely on.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.isolation import libraries
from workbench.isolation.published import open_to_all, publish, stamp
from workbench.session import cache_dir

_REMEDY = "Install it (Debian: apt-get install nodejs; else nodejs.org); version 18 or newer."
_HOSTS = {"lambda_host.py": "node_lambda.mjs", "http_host.py": "node_http.mjs"}
_LAYOUT = 1
"""Raised when the way the tree is built changes, so that a cached one of the old way is not used."""
_OLDEST = 18
_VERSION_FILE = "version"
_SHARED = re.compile(rb"/usr/share/nodejs/[\w./-]+\.js")
"""Parts of Node.js that Debian keeps outside the program, which names them so."""


@functools.cache
def tree() -> Path:
    """Node.js as a directory: `bin/node`, the libraries in `lib`, its version in `version`.

    Kept in `cache_dir()` by what it is made of. Raises CapabilityMissing where there is no Node.js that works.
    """
    program = _program()
    loader = libraries.loader(program)  # of the C library's package: it changes when that does
    digest = hashlib.sha256(f"{_LAYOUT} {stamp(program)}{stamp(Path(loader or program))}".encode())
    target = cache_dir() / f"nodejs-{digest.hexdigest()[:20]}"
    if not target.is_dir():
        publish(target, functools.partial(_build, program=program, loader=loader))
    return target


def version() -> str:
    """The version of what `tree` has, like `20.11.1`."""
    return (tree() / _VERSION_FILE).read_text(encoding="utf-8")


def command(entry: str, *, runtime_dir: str, lang_dir: str, memory_mb: int) -> list[str]:
    """The command line that plays `entry`.

    Told of no limit, Node.js would put off collecting garbage until the kernel ends it.
    """
    heap = [f"--max-old-space-size={memory_mb}"] if memory_mb else []
    return [f"{lang_dir}/bin/node", *heap, f"{runtime_dir}/{_HOSTS[entry]}"]


def environment(*, runtime_dir: str, task_root: str, lang_dir: str, opt_dir: str) -> dict[str, str]:
    """What AWS Lambda sets for Node.js (developer guide, "Defined runtime environment variables" and "Layers")."""
    major = version().partition(".")[0]
    modules = (f"{opt_dir}/nodejs/node{major}/node_modules", f"{opt_dir}/nodejs/node_modules")
    libraries_in = (
        f"{lang_dir}/lib",
        runtime_dir,
        f"{runtime_dir}/lib",
        task_root,
        f"{task_root}/lib",
        f"{opt_dir}/lib",
    )
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_nodejs{major}.x",
        "LD_LIBRARY_PATH": ":".join(libraries_in),
        "NODE_PATH": ":".join((*modules, f"{runtime_dir}/node_modules", runtime_dir, task_root)),
        "PATH": f"{lang_dir}/bin:/usr/local/bin:/usr/bin:/bin:{opt_dir}/bin",
    }


def _program() -> Path:
    found = shutil.which("node")
    if found is None:
        raise CapabilityMissing("Node.js is not installed", _REMEDY)
    program = Path(os.path.realpath(found))
    with program.open("rb") as file:
        if file.read(4) == b"\x7fELF":
            return program
    # A version manager's shim: only what it starts knows.
    return Path(os.path.realpath(_said([found, "-p", "process.execPath"], {**os.environ})))


def _build(building: Path, program: Path, loader: str) -> None:
    (building / "bin").mkdir()
    (building / "lib").mkdir()
    shutil.copyfile(program, building / "bin/node")
    (building / "bin/node").chmod(0o755)
    binaries = [program]
    for name, path in libraries.closure([program]).items():
        shutil.copyfile(path, building / "lib" / name)
        (building / "lib" / name).chmod(0o755)
        binaries.append(path)
    for path in _shared_sources(binaries):
        copy = building / path.relative_to("/usr")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    start = [loader, "--library-path", str(building / "lib")] if loader else []
    found = _said([*start, str(building / "bin/node"), "-p", "process.versions.node"], {"LANG": "C.UTF-8"})
    if int(found.partition(".")[0]) < _OLDEST:
        raise CapabilityMissing(f"{program} is Node.js {found}", _REMEDY)
    (building / _VERSION_FILE).write_text(found, encoding="utf-8")
    open_to_all(building)


def _shared_sources(binaries: list[Path]) -> set[Path]:
    named = {Path(os.fsdecode(name)) for path in binaries for name in _SHARED.findall(path.read_bytes())}
    return {path for path in named if path.is_file()}


def _said(command: list[str], environment: dict[str, str]) -> str:
    """What `command` printed; raises CapabilityMissing with its words where it failed."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CapabilityMissing(f"Node.js does not run ({error})", _REMEDY) from error
    if done.returncode != 0:
        raise CapabilityMissing(f"Node.js does not run ({(done.stderr or done.stdout).strip()[-300:]})", _REMEDY)
    return done.stdout.strip()
