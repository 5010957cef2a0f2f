"""The tools that the tests stand on: what they need is checked honestly, and what is left behind is really found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import leftovers, needs
from workbench.session import VARIABLE, session_id

PROJECT = Path(__file__).resolve().parents[2]
DEAD = f"999999999-1-{session_id().split('-', 2)[2]}"
"""A session of this place whose owner never was."""


@pytest.fixture
def _nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find", lambda name: needs.Missing(f"No {name} here.", "Get one."))


@pytest.mark.usefixtures("_nothing_works")
def test_what_is_missing_skips_with_reason_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"needs docker: No docker here\. Get one\."):
        needs.check("docker")


@pytest.mark.usefixtures("_nothing_works")
def test_what_is_required_and_missing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_REQUIRE", "node, docker")
    with pytest.raises(pytest.fail.Exception, match="WORKBENCH_REQUIRE lists docker"):
        needs.check("docker")


def test_a_misspelt_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="dokcer"):
        needs.needs("dokcer")
    monkeypatch.setenv("WORKBENCH_REQUIRE", "dokcer")
    with pytest.raises(pytest.UsageError, match="dokcer"):
        needs.required()


@pytest.mark.parametrize(
    "environment", [{VARIABLE: DEAD}, {leftovers.RUN: os.environ.get(leftovers.RUN, "")}], ids=["session", "test run"]
)
def test_a_process_left_behind_is_found_until_it_ends(environment: dict[str, str]) -> None:
    # It says that it runs: until then the kernel may show no environment yet.
    command = [sys.executable, "-c", "print(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        line = f"process {process.pid}:"
        assert any(found.startswith(line) for found in leftovers.find())
        process.communicate(b"\n")
    assert not any(found.startswith(line) for found in leftovers.find())


def test_a_directory_left_behind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "state_dir", lambda: tmp_path)
    (tmp_path / "sessions" / DEAD).mkdir(parents=True)
    assert any(DEAD in found for found in leftovers.find())


def test_every_dependency_is_pinned_and_nothing_has_an_address() -> None:
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!+]*( ; .+)?", line) for line in lines)
    pinned = {_normal(line.partition("==")[0]) for line in lines}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    assert {_normal(re.split(r"[\s;<>=\[~!]", name)[0]) for name in wanted} <= pinned


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
