"""The tree that is /var/lang for Java: what is in it, that it can be moved, and what there is without a JDK."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.java.services import ECHO, compiled
from tests.functional.sandboxes.boxes import Marks, call
from tests.needs import needs
from workbench.errors import CapabilityMissing
from workbench.isolation import java_tree, process
from workbench.sandbox import SandboxSpec
from workbench.service import Resources

pytestmark = [needs("java"), pytest.mark.timeout(300)]


@pytest.fixture
def own_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own, and the place for a JDK of its own, which is not yet there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    java_tree.tree.cache_clear()
    yield tmp_path / "jdk"
    java_tree.tree.cache_clear()


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"LANG": "C.UTF-8"}).stdout


def test_it_has_our_host_and_what_services_use_of_the_jdk_but_no_compiler() -> None:
    image = java_tree.tree()
    modules = {line.partition("@")[0] for line in output(str(image / "bin/java"), "--list-modules").split()}
    assert {"workbench.host", *java_tree.MODULES} <= modules
    assert not {"java.desktop", "jdk.compiler", "jdk.jlink"} & modules
    assert not (image / "bin/javac").exists()
    assert all(os.lstat(path).st_mode & 0o044 for path in image.rglob("*")), "everybody may read it"


def test_its_archive_holds_our_host_and_is_good_at_another_place(tmp_path: Path) -> None:
    shutil.copytree(java_tree.tree(), tmp_path / "lang")
    options = ["-XX:+UseSerialGC", "-Xshare:on", "-Xlog:class+load", "-cp", "/nonexistent"]
    # Without arguments or environment the host fails at once: its classes are loaded by then.
    done = subprocess.run(
        [str(tmp_path / "lang/bin/java"), *options, "workbench.host.Main"], capture_output=True, text=True, check=False
    )
    sources = [line.partition("source: ")[2] for line in done.stdout.splitlines() if "workbench.host." in line]
    assert len(sources) >= 2
    assert set(sources) == {"shared objects file"}


def test_the_heap_leaves_room_beside_it() -> None:
    def heap(memory_mb: int) -> int:
        command = java_tree.command("lambda_host.py", runtime_dir="", lang_dir="/var/lang", memory_mb=memory_mb)
        (limit,) = (int(word[4:-1]) for word in command if word.startswith("-Xmx"))
        return limit

    assert [heap(size) for size in (128, 256, 512, 1769)] == [64, 128, 384, 1641]


def test_a_jdk_without_jlink_is_taken_as_it_is(own_tree: Path, tmp_path: Path) -> None:
    real = Path(os.path.realpath(shutil.which("javac") or "")).parent.parent
    (own_tree / "bin").mkdir(parents=True)
    for name in ("java", "javac"):
        (own_tree / "bin" / name).symlink_to(real / "bin" / name)
    for name in ("conf", "lib", "release"):
        (own_tree / name).symlink_to(real / name)
    code = tmp_path / "code"
    for file, content in compiled({"shop/Echo.java": ECHO}, tmp_path).items():
        (code / file).parent.mkdir(parents=True, exist_ok=True)
        (code / file).write_bytes(content)
    spec = SandboxSpec(f"copied-{os.getpid()}", "http_host.py", "shop.Echo::any", code, Resources(), language="java")
    with contextlib.closing(process.launch(spec)) as box:
        Marks(box.control).until("function_ready")
        assert call(box, a=[1, "ü"]) == {"a": [1, "ü"]}


def test_without_a_jdk_it_says_what_to_install(own_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapabilityMissing, match=r"is no Java development kit.*default-jdk-headless"):
        java_tree.tree()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CapabilityMissing, match=r"No Java development kit is installed.*default-jdk-headless"):
        java_tree.tree()


def test_an_old_jdk_is_named(own_tree: Path) -> None:
    for file, content in {"bin/javac": "", "lib/modules": "", "release": 'JAVA_VERSION="11.0.2"\n'}.items():
        (own_tree / file).parent.mkdir(parents=True, exist_ok=True)
        (own_tree / file).write_text(content)
    with pytest.raises(CapabilityMissing, match="is Java 11"):
        java_tree.tree()
