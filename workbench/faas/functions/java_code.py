"""Java sources in a package: compiled where it is unpacked, so that a service can be deployed as it was written."""

from __future__ import annotations

import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import PackageError
from workbench.isolation import java_tree, languages
from workbench.package import package, unpacked
from workbench.service import Service

COMPILED = "compiled-by-workbench.jar"
"""Where the classes are: beside the sources, as one file, which is there as a whole or not at all."""

_PATIENCE_S = 300
_RESOURCES = "src/main/resources"
_MESSAGE_CHARACTERS = 4000
_OPTIONS = (
    "-J-Xmx512m",
    "-J-XX:+UseSerialGC",
    "-J-XX:TieredStopAtLevel=1",
    "-proc:none",  # an annotation processor is the package's own code, and would run outside of any sandbox
    "-implicit:none",
    "-encoding",
    "UTF-8",
    "-g",
    "-parameters",
    "-nowarn",
    "-Xmaxerrs",
    "20",
)


def runnable(service: Service) -> Path:
    """The service's unpacked package, ready to run: Java sources in it are compiled. Raises what that raises."""
    code = unpacked(package(service, unlimited=True), unlimited=True)
    if languages.of(service.runtime) == "java":
        compile_sources(code)
    return code


def compile_sources(task_dir: Path) -> None:
    """Compile what the unpacked package `task_dir` has as source and not as class; nothing happens where that is none.

    The sources see the package's own classes and jars (its root and lib/), and of the JDK what runs inside. Tests of a
    Maven layout (src/test) are left out, its resources are taken along. Raises PackageError with the compiler's message
    where they do not compile, CapabilityMissing where there is no compiler.
    """
    if (task_dir / COMPILED).exists():
        return
    sources = sorted(_sources(task_dir))
    if not sources:
        return
    home = java_tree.java_home()
    with tempfile.TemporaryDirectory(dir=task_dir.parent, prefix=".classes-") as name:
        classes = Path(name, "classes")
        arguments = Path(name, "arguments")
        lines = [*_OPTIONS, "--limit-modules", ",".join(java_tree.MODULES), "-cp", _class_path(task_dir)]
        lines += ["-d", str(classes), *(f"./{source}" for source in sources)]
        arguments.write_text("\n".join(_quoted(line) for line in lines if not line.startswith("-J")), encoding="utf-8")
        _run([str(home / "bin/javac"), *(line for line in lines if line.startswith("-J")), f"@{arguments}"], task_dir)
        archive = Path(name, COMPILED)
        with zipfile.ZipFile(archive, "w") as jar:
            for root in (classes, task_dir / _RESOURCES):
                for path in sorted(root.rglob("*")):
                    if path.is_file():
                        jar.write(path, path.relative_to(root).as_posix())
        archive.chmod(0o644)
        os.replace(archive, task_dir / COMPILED)


def _sources(task_dir: Path) -> Iterator[str]:
    """The source files, relative to the package, of which it has no class of that name."""
    classes = {path.stem for path in task_dir.rglob("*.class")}
    for path in task_dir.rglob("*.java"):
        name = path.relative_to(task_dir).as_posix()
        left_out = path.stem in ("module-info", "package-info") or name.startswith(("src/test/", "META-INF/"))
        if path.is_file() and not left_out and path.stem not in classes:
            yield name


def _class_path(task_dir: Path) -> str:
    jars = [*sorted(task_dir.glob("lib/*.jar")), *sorted(task_dir.glob("*.jar"))]
    return os.pathsep.join([".", *(jar.relative_to(task_dir).as_posix() for jar in jars)])


def _quoted(argument: str) -> str:
    # As javac reads a file of arguments: blanks part them, a backslash escapes within quotes.
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _run(command: list[str], task_dir: Path) -> None:
    # Not the environment of this process: JDK_JAVAC_OPTIONS could turn annotation processors on.
    environment = {"LANG": "C.UTF-8", "PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run(
            command,
            cwd=task_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"The Java sources were not compiled in {_PATIENCE_S} s. Compile them yourself and deploy the classes."
        ) from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[:_MESSAGE_CHARACTERS].replace("./", "")
        raise PackageError(f"The Java sources do not compile:\n{said}\nMend them, or deploy compiled classes.")
