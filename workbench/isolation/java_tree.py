"""Java in a box: a runtime image that `jlink` makes of this machine's JDK, with our host of Java services in it.

The image has the modules that services on servers use, not those of desktop programs, and an archive of the classes
that a cold start loads (application class-data sharing), which the JVM maps instead of reading and verifying them. Our
host is a module of the image: the archive of Java 17 is only valid for classes at the paths they were archived from,
and what is in the image has no path.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.isolation import java_training, libraries
from workbench.isolation.published import open_to_all, publish, stamp
from workbench.session import cache_dir

MODULES = (
    "java.base", "java.instrument", "java.logging", "java.management", "java.naming", "java.net.http", "java.sql",
    "java.xml", "jdk.crypto.ec", "jdk.httpserver", "jdk.unsupported", "jdk.zipfs",
)  # fmt: skip
"""What a service may use of the JDK; `java.desktop` is not among them."""

OLDEST = 17
_REMEDY = "Install one (Debian: apt-get install default-jdk-headless), version 17 or newer, or set JAVA_HOME."
_SOURCES = Path(__file__).resolve().parent.parent / "runtimes/java"
_MAIN = "workbench.host.Main"
_LAYOUT = 2
"""Raised when the way the tree is built changes, so that a cached one of the old way is not used."""
_RELEASE = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)
_BESIDE = "lib/workbench-host"
"""Where our host is in a JDK that is no image of ours."""
_MARGIN_MB = 128
# Without a class path of its own it would be the working directory: the service's classes, in the host's loader.
_NO_CLASSES = ("-cp", "/nonexistent")
# In Java 17 the output follows a property of its own, which newer ones call otherwise.
_OUTPUT = tuple(f"-D{before}{name}.encoding=UTF-8" for before in ("sun.", "") for name in ("stdout", "stderr"))
_PLAIN = (
    "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dfile.encoding=UTF-8", *_OUTPUT, *_NO_CLASSES,
)  # fmt: skip


@functools.cache
def tree() -> Path:
    """The image as a directory: `bin/java`, and in `lib` what it needs, shared libraries of the system among it.

    Kept in `cache_dir()` by what it is made of; making it takes some seconds. Raises CapabilityMissing where there is
    no JDK of version 17 or newer.
    """
    home = java_home()
    sources = sorted(_SOURCES.rglob("*.java"))
    loader = libraries.loader(home / "bin/java")  # of the C library's package: it changes when that does
    digest = hashlib.sha256(f"{_LAYOUT} {MODULES} {stamp(home / 'lib/modules')}".encode())
    digest.update((stamp(Path(loader)) if loader else "").encode() + (home / "release").read_bytes())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    target = cache_dir() / f"java-{digest.hexdigest()[:20]}"
    if not target.is_dir():
        with open(cache_dir() / "java.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time; whoever waited finds it made
            if not target.is_dir():
                publish(target, functools.partial(_build, home=home))
    return target


def java_home() -> Path:
    """The JDK's directory: JAVA_HOME, else the one of `javac`; raises CapabilityMissing where there is none."""
    named = os.environ.get("JAVA_HOME", "")
    found = shutil.which("javac")
    if not named and found is None:
        raise CapabilityMissing("No Java development kit is installed", _REMEDY)
    home = Path(named or Path(os.path.realpath(found or "")).parent.parent)
    if not (home / "bin/javac").is_file() or not (home / "release").is_file() or not (home / "lib/modules").is_file():
        raise CapabilityMissing(f"{home} is no Java development kit", _REMEDY)
    if version(home) < OLDEST:
        raise CapabilityMissing(f"{home} is Java {version(home)}", _REMEDY)
    return home


def version(home: Path) -> int:
    """The feature release of a JDK or of what `tree` made of it: 17 for 17.0.15; 0 where it does not say."""
    found = _RELEASE.search((home / "release").read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


def command(entry: str, *, runtime_dir: str, lang_dir: str, memory_mb: int) -> list[str]:
    """The command line that plays `entry`.

    The heap's limit is set here, as the JVM sees none inside. What is beside it (code, threads, what the JVM has of
    its own) gets 128 MB, or in a small instance half of all.
    """
    return _command(entry, tree(), lang_dir, memory_mb)


def environment(*, runtime_dir: str, task_root: str, lang_dir: str, opt_dir: str) -> dict[str, str]:
    """What AWS Lambda sets for Java (developer guide, "Defined runtime environment variables" and "Layers")."""
    libraries_in = (f"{lang_dir}/lib", runtime_dir, task_root, f"{task_root}/lib", f"{opt_dir}/lib")
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_java{version(tree())}",
        "LD_LIBRARY_PATH": ":".join(libraries_in),
        "PATH": f"{lang_dir}/bin:/usr/local/bin:/usr/bin:/bin:{opt_dir}/bin",
        "WORKBENCH_JAVA_LAYERS": f"{opt_dir}/java/lib",
    }


def _command(entry: str, image: Path, lang_dir: str, memory_mb: int) -> list[str]:
    """The command line for what `image` holds, which is `lang_dir` inside."""
    program = [f"{lang_dir}/bin/java", *_PLAIN]
    if (image / _BESIDE).is_dir():
        program += [f"--module-path={lang_dir}/{_BESIDE}", "--add-modules=workbench.host"]
    if version(image) >= 23:  # it warns of what Control.java does
        program.append("--sun-misc-unsafe-memory-access=allow")
    if memory_mb:
        program.append(f"-Xmx{max(memory_mb // 2, memory_mb - _MARGIN_MB)}m")
    if entry == "http_host.py":
        return [*program, "--add-opens=java.base/sun.nio.ch=workbench.host", _MAIN, "http"]
    return [*program, _MAIN, "lambda"]


def _build(building: Path, home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=building, prefix=".making-") as name:
        making = Path(name)
        own = map(str, (_SOURCES / "host").rglob("*.java"))
        options = ["-proc:none", "-nowarn", "-g", "-XDstringConcat=inline", "--release", str(OLDEST)]
        _run(home, ["javac", *options, "-d", str(making / "classes"), *own])
        if (home / "bin/jlink").is_file():
            _link(building, home, making)
        else:
            _copy(building, home, making)
        _add_libraries(building)
        _archive(building, making, home)
    open_to_all(building)


def _link(building: Path, home: Path, making: Path) -> None:
    places = [making / "classes", *(path for path in [home / "jmods"] if path.is_dir())]
    command = ["jlink", "--module-path", os.pathsep.join(map(str, places)), "--no-header-files", "--no-man-pages"]
    command += ["--add-modules", ",".join(("workbench.host", *MODULES)), "--output", str(making / "image")]
    _run(home, command)
    for part in (making / "image").iterdir():
        part.rename(building / part.name)


def _copy(building: Path, home: Path, making: Path) -> None:
    """The JDK as it is, where it has no `jlink`: larger, and started with our host beside it."""
    left_out = shutil.ignore_patterns("jmods", "src.zip", "docs", "demo", "include", "man")
    shutil.copytree(home, building, ignore=left_out, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    (making / "classes").rename(building / _BESIDE)


def _add_libraries(building: Path) -> None:
    binaries = [building / "bin/java", *building.glob("lib/**/*.so")]
    there = {path.name for path in binaries}
    for library, path in libraries.closure(binaries).items():
        if library not in there:
            shutil.copyfile(path, building / "lib" / library)
            (building / "lib" / library).chmod(0o755)


def _archive(image: Path, making: Path, home: Path) -> None:
    """Archive what an instance loads up to its first answer, by watching, and what the JDK itself would archive."""
    (making / "task").mkdir()
    _run(home, ["javac", "-proc:none", "-d", str(making / "task"), str(_SOURCES / "training/Training.java")])
    wanted = dict.fromkeys((image / "lib/classlist").read_text(encoding="utf-8").splitlines())
    for entry in ("lambda_host.py", "http_host.py"):
        loaded = making / entry
        java_training.watch(_command(entry, image, str(image), 256), image=image, task=making / "task", loaded=loaded)
        # A line with `source:` is of the service, which is another's next time; numbers are of this run.
        lines = loaded.read_text(encoding="utf-8").splitlines()
        wanted |= dict.fromkeys(line.partition(" id:")[0] for line in lines if "source:" not in line)
    listed = (line for line in wanted if not line.startswith("#"))
    (making / "wanted").write_text("\n".join(listed) + "\n", encoding="utf-8")
    # Only G1 writes the archive's heap objects; the serial collector reads them.
    dump = ["java", "-Xshare:dump", "-XX:+UseG1GC", f"-XX:SharedClassListFile={making / 'wanted'}", *_NO_CLASSES]
    _run(image, dump)


def _run(home: Path, command: list[str]) -> None:
    """Run a program of the JDK `home`; raises CapabilityMissing with its words where it fails."""
    program = str(home / "bin" / command[0])
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CapabilityMissing(f"{program} does not run ({error})", _REMEDY) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise CapabilityMissing(f"{program} could not make the Java runtime image: {said}", _REMEDY)
