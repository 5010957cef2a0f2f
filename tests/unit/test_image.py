"""The image context: what is a dependency, what the Dockerfile says, what changes the digest, what is written out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.errors import PackageError
from workbench.image import ImageContext, image_context
from workbench.service import Service

BASE = "workbench/rootfs:of-a-test"  # our own by its name; nothing is built here


def service(source: Path, **files: str) -> Service:
    for name, text in {"app.py": "def handler(event, context): pass\n", **files}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    return Service.from_dir(source, "app.handler", name="mine", runtime="python3.11")


def context(source: Path, **files: str) -> ImageContext:
    return image_context(service(source, **files), base=BASE)


INSTALLED = {
    "rates.py": "RATE = 3\n",
    "wide/__init__.py": "",
    "wide/table, long.csv": "1\n",
    "rates-1.0.dist-info/METADATA": "Name: rates\n",
    "rates-1.0.dist-info/RECORD": 'rates.py,sha256=x,9\nwide/__init__.py,,\n"wide/table, long.csv",,\n'
    "rates-1.0.dist-info/METADATA,,\nrates-1.0.dist-info/RECORD,,\n../../bin/rates,,\n",
}


def test_what_an_installer_recorded_is_a_dependency_and_nothing_else_is(tmp_path: Path) -> None:
    more = {"wide/ours.py": "", "node_modules/a/index.js": "", "lib/a.jar": "", "lib/ours.py": "", "deep/lib/b.jar": ""}
    folders = context(tmp_path, **INSTALLED, **more).folders
    assert set(folders["dependencies"]) == {*INSTALLED, "node_modules/a/index.js", "lib/a.jar"}
    assert set(folders["code"]) == {"app.py", "wide/ours.py", "lib/ours.py", "deep/lib/b.jar"}


def test_the_dockerfile_copies_dependencies_first_and_runs_as_nobody(tmp_path: Path) -> None:
    text = context(tmp_path, **INSTALLED).dockerfile
    lines = text.splitlines()
    order = [f"ARG BASE={BASE}", "FROM ${BASE}", "WORKDIR /var/task", "EXPOSE 8080", "COPY dependencies/ /var/task/"]
    order += ["USER 64535:64535", "COPY code/ /var/task/"]
    assert [line for line in lines if line in order] == order
    assert text.index("COPY dependencies/") < text.index("RUN [") < text.index("USER ")
    for word in ("RUN ", "ENTRYPOINT ", "    CMD "):  # there is no shell in the image
        [line] = [line for line in lines if line.startswith(word)]
        assert json.loads(line.removeprefix(word))[0] == "python3"
    assert "--interval=30s" in text


def test_without_dependencies_nothing_is_compiled(tmp_path: Path) -> None:
    assert "\nRUN " not in context(tmp_path).dockerfile


def test_secrets_of_the_environment_are_no_part_of_it(tmp_path: Path) -> None:
    secret = service(tmp_path).with_environment(TOKEN="very-secret")
    assert "very-secret" not in image_context(secret, base=BASE).dockerfile


def test_the_digest_is_of_all_files_and_of_the_base(tmp_path: Path) -> None:
    first = context(tmp_path / "a", **INSTALLED)
    assert context(tmp_path / "b", **INSTALLED).digest == first.digest
    changed = [
        context(tmp_path / "c", **{**INSTALLED, "rates.py": "RATE = 4\n"}),
        context(tmp_path / "d", **INSTALLED, more="x"),
        context(tmp_path / "e", **INSTALLED, Dockerfile="FROM x\n"),
        image_context(service(tmp_path / "a"), base="workbench/rootfs:of-another"),
    ]
    assert len({first.digest, *(one.digest for one in changed)}) == 5


def test_a_brought_dockerfile_is_used_as_it_is(tmp_path: Path) -> None:
    mine = "ARG BASE\nFROM ${BASE}\n# mine\n"
    made = context(tmp_path, Dockerfile=mine)
    assert (made.dockerfile, made.brought) == (mine, True)
    assert set(made.folders["code"]) == {"app.py"}


def test_written_out_it_can_be_read_and_nothing_edited_is_overwritten(tmp_path: Path) -> None:
    made = context(tmp_path / "mine", **INSTALLED)
    made.write(tmp_path / "out")
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py")}
    assert written == {"code/app.py", "dependencies/rates.py", "dependencies/wide/__init__.py"}
    (tmp_path / "out/Dockerfile").write_text("edited")
    with pytest.raises(PackageError, match="edited"):
        made.write(tmp_path / "out")
    assert (tmp_path / "out/Dockerfile").read_text() == "edited"
