"""The files every sandbox runs on: the root file system, and the runtime directory that is /var/runtime in it.

The tree is made of the running interpreter: the executable, its standard library, the shared libraries that both need
and a minimal /etc. It needs no network and no registry, and every sandbox that has a root of its own gets this one, so
that all run the same interpreter and the same code.
"""

from __future__ import annotations

import compileall
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.isolation import channel, libraries
from workbench.isolation.published import open_to_all, publish, stamp
from workbench.session import cache_dir

INSIDE_UID = 1000
"""User and group that the instance sees itself as."""

_RUNTIMES = Path(__file__).resolve().parent.parent / "runtimes"
# awslambdaric, its compiled Runtime API client, and what both need.
_DEPENDENCIES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
# The AWS SDK and what it needs, by the distribution each is of: importable in every Python function, as on AWS.
_SDK = {
    "boto3": "boto3",
    "botocore": "botocore",
    "dateutil": "python-dateutil",
    "jmespath": "jmespath",
    "s3transfer": "s3transfer",
    "six": "six",
    "urllib3": "urllib3",
}
_LEFT_OUT = ("__pycache__", "tests")
_HOSTS = (".py", ".mjs")
"""What `runtimes/` holds for the instances, by language."""
_LAYOUT = 4
"""Raised when the way the tree is built changes, so that a cached one of the old way is not used."""
# Parts of the standard library that no service needs: tests, installers, desktop programs.
_STDLIB_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "dist-packages"}
)
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_DIRECTORIES = (
    "tmp",
    "proc",
    "dev",
    "run/workbench",
    "var/task",
    "var/runtime",
    "var/lang",
    "opt",
    "etc",
    "usr/local/bin",
    "usr/share",
    "lib",
)
# The C library of one distribution looks into lib64, another's into lib; here both are one directory. Debian's Node.js
# finds a part of itself in /usr/share.
_LINKS = {
    "lib64": "lib",
    "usr/lib": "../lib",
    "usr/lib64": "../lib",
    "usr/local/lib64": "lib",
    "bin": "usr/local/bin",
    "usr/share/nodejs": "../../var/lang/share/nodejs",
}
_ETC = {
    "passwd": f"root:x:0:0:root:/:/bin/false\nservice:x:{INSIDE_UID}:{INSIDE_UID}:service:/tmp:/bin/false\n",
    "group": f"root:x:0:\nservice:x:{INSIDE_UID}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_CHECK = "import ctypes, hashlib, json, socket, ssl, sys, zlib; print(json.__file__)"


def interpreter() -> str:
    """Path of the interpreter inside the root file system."""
    return f"/usr/local/bin/{_VERSION}"


@functools.cache
def root_fs() -> Path:
    """The directory that is / inside, readable by everybody; built in a few seconds when first asked for.

    Kept in `cache_dir()` by the digest of what it is made of. Raises CapabilityMissing where it cannot be made: not on
    Linux, or without the system's `ldd`.
    """
    if sys.platform != "linux":
        raise CapabilityMissing("The root file system is made of Linux programs", "Use Linux, or sandbox='process'.")
    runtime = runtime_dir()
    executable = Path(os.path.realpath(channel.interpreter()))
    files = dict(_stdlib_files())
    digest = hashlib.sha256(f"{_LAYOUT} {runtime.name} {_ETC} {sorted(_STDLIB_LEFT_OUT)}".encode())
    loader = libraries.loader(executable)  # of the C library's package: it changes when that does
    for path in (executable, Path(loader or executable), *(files[name] for name in sorted(files))):
        digest.update(stamp(path).encode())
    target = cache_dir() / f"rootfs-{digest.hexdigest()[:20]}"
    if not target.is_dir():
        publish(target, functools.partial(_build_root, executable=executable, files=files, runtime=runtime))
    return target


@functools.cache
def runtime_dir() -> Path:
    """The host directory that is /var/runtime inside: the entries of `runtimes/`, awslambdaric and boto3, compiled.

    Kept in `cache_dir()` by the digest of its content (of the AWS SDK's versions, as it is large). Raises
    CapabilityMissing where awslambdaric or boto3 is not installed.
    """
    files = dict(_runtime_files())
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} ".encode())
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    digest.update(" ".join(f"{name}=={importlib.metadata.version(name)}" for name in _SDK.values()).encode())
    target = cache_dir() / f"runtime-{digest.hexdigest()[:20]}"
    if not target.is_dir():
        files |= _sdk_files()
        publish(target, functools.partial(_build_runtime, files=files))
    return target


def _sdk_files() -> dict[str, Path]:
    return {name: path for package in _SDK for name, path in _files_of(package)}


def _runtime_files() -> Iterator[tuple[str, Path]]:
    for path in _RUNTIMES.iterdir():
        if path.suffix in _HOSTS and path.name != "__init__.py":
            yield path.name, path
    for name in _DEPENDENCIES:
        yield from _files_of(name)


def _files_of(package: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        if sys.platform != "linux":
            return
        raise CapabilityMissing(f"The Python package that provides {package} is not installed", "Run `make setup`.")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:  # none, or for the module `six`, once it is imported, an empty list
        yield origin.name, origin
        return
    for path in origin.parent.rglob("*"):
        inner = path.relative_to(origin.parent)
        if path.is_file() and not set(inner.parts) & set(_LEFT_OUT):
            yield f"{package}/{inner}", path


def _build_runtime(building: Path, files: dict[str, Path]) -> None:
    for name, path in files.items():
        copy = building / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o444)
        if copy.suffix == ".py":
            # Unchecked: valid wherever and whenever the tree is copied, mounted or imported into an image.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(copy), dfile=f"/var/runtime/{name}", doraise=True, invalidation_mode=mode)


def _stdlib_files() -> Iterator[tuple[str, Path]]:
    """The standard library's files by their path below lib/pythonX.Y, with what was already compiled of them."""
    compiled = f".{sys.implementation.cache_tag}.pyc"
    for place in dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")):
        base = Path(os.path.realpath(str(place).replace(sys.prefix, sys.base_prefix, 1)))
        for directory, inner, names in os.walk(base):
            inner[:] = [n for n in inner if n not in _STDLIB_LEFT_OUT and not n.startswith("config-")]
            cache = os.path.basename(directory) == "__pycache__"
            for name in names:
                path = Path(directory, name)
                if path.is_file() and (not cache or name.endswith(compiled)) and not name.startswith("_tkinter."):
                    yield str(path.relative_to(base)), path


def _build_root(building: Path, executable: Path, files: dict[str, Path], runtime: Path) -> None:
    stdlib = building / "usr/local/lib" / _VERSION
    for name in (*_DIRECTORIES, f"usr/local/lib/{_VERSION}"):
        (building / name).mkdir(parents=True, exist_ok=True)
    for name, goal in _LINKS.items():
        (building / name).symlink_to(goal)
    for name, content in _ETC.items():
        (building / "etc" / name).write_text(content, encoding="utf-8")
    _copy(executable, building / interpreter().lstrip("/"))
    for name, path in files.items():
        _copy(path, stdlib / name)
    shutil.copytree(runtime, building / "var/runtime", dirs_exist_ok=True)
    binaries = [path for name, path in files.items() if name.endswith(".so")]
    binaries += (building / "var/runtime").rglob("*.so")
    for name, path in libraries.closure([executable, *binaries]).items():
        _copy(path, building / "lib" / name)
    loader = libraries.loader(executable)
    if loader and not (building / loader.lstrip("/")).exists():
        _copy(Path(loader), building / loader.lstrip("/"))
    _compile(stdlib)
    for name in ("python3", "python"):
        (building / "usr/local/bin" / name).symlink_to(_VERSION)
    open_to_all(building)
    (building / "tmp").chmod(0o1777)  # Docker gives what it mounts there the mode of what is below
    _try(building, loader)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)  # with its time, by which Python knows that a compiled file is still right


def _compile(stdlib: Path) -> None:
    # What the distribution compiled is kept; a cold start must not compile the rest. Templates may not compile: fine.
    with contextlib.redirect_stdout(io.StringIO()):
        compileall.compile_dir(
            stdlib,
            quiet=2,
            workers=os.cpu_count() or 1,
            stripdir=stdlib,
            prependdir=f"/usr/local/lib/{_VERSION}",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _try(root: Path, loader: str) -> None:
    """Run the copied interpreter on the copied libraries alone; raises DeploymentError with its words if it fails."""
    program = [str(root / interpreter().lstrip("/")), "-s", "-S", "-B", "-c", _CHECK]
    if loader:
        program = [str(root / loader.lstrip("/")), "--library-path", str(root / "lib"), *program]
    environment = {"PYTHONHOME": str(root / "usr/local"), "LANG": "C.UTF-8"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0 or not done.stdout.startswith(str(root)):
        said = (done.stderr or done.stdout).strip()
        raise DeploymentError(
            f"The root file system was built from {channel.interpreter()}, but its interpreter does not run: {said}. "
            "Use another Python, or sandbox='process'."
        )
