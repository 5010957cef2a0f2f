"""What `find` says of this machine is true of it, prints well, and each failure names a remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench import capabilities
from workbench.capabilities import Capabilities, Capability

PROBES = ("docker", "gvisor", "namespaces", "cgroups", "kvm", "qemu", "node", "java", "chromium", "rabbitmq")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    caches = [capabilities.find, *(getattr(capabilities, name) for name in PROBES)]
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def made(**changed: Capability) -> Capabilities:
    parts = {name: Capability(name, True, "Works.") for name in PROBES} | changed
    return Capabilities(**parts, cgroup_version="v2", memory_mb=2048, cores=2, platform="Linux", python="3.11.7")


def test_it_finds_all_and_only_once() -> None:
    found = capabilities.find()
    assert capabilities.find() is found
    assert found.cores >= 1
    assert found.memory_mb > 100
    assert found.cgroup_version in ("v2", "v1", "none")
    assert (found.cgroup_version == "none") is not found.cgroups.available
    for name in PROBES:
        capability = getattr(found, name)
        assert capability.name == name
        assert capability.detail
        assert capability.available or capability.remedy
    assert json.loads(json.dumps(found.to_json()))["docker"]["available"] is found.docker.available


def test_what_is_missing_is_printed_with_its_remedy() -> None:
    text = str(made(docker=Capability("docker", False, "No engine.", "Install it.")))
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if "No engine." in line)
    assert lines[at].strip().startswith("no")
    assert "Install it." in lines[at + 1]
    assert sum(line.strip().startswith("yes") for line in lines) == len(PROBES) - 1
    assert "2,048 MB" in lines[0]


def test_docker_that_does_not_answer_is_not_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    found = capabilities.docker()
    assert not found
    assert "does not answer" in found.detail
    assert "docker" in found.remedy


def program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_program_counts_when_it_runs_not_when_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "node", "echo a warning; echo v20.1.0")
    program(tmp_path, "java", "echo 'no JVM'; exit 3")
    assert capabilities.node() == Capability("node", True, "v20.1.0.")
    java = capabilities.java()
    assert (java.available, "no JVM" in java.detail, bool(java.remedy)) == (False, True, True)
    assert capabilities.chromium().detail == "Not installed."


def test_a_program_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = shutil.which("sleep")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(capabilities, "_PATIENCE_S", 0.2)
    program(tmp_path, "node", f"exec {sleep} 60")
    assert "no answer" in capabilities.node().detail
