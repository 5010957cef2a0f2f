"""The image builds that are measured: which kinds, in which order, and what changed before each."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import DeploymentError
from workbench.experiments import Interrupted, image_build
from workbench.image import image_context
from workbench.service import Service


class Builder:
    """Builds nothing; looks at what it is given."""

    def __init__(self, stop_at: int = 0, error: BaseException | None = None) -> None:
        self.contexts: list[tuple[bool, dict[str, str], dict[str, str]]] = []
        self._stop_at, self._error = stop_at, error

    def __call__(self, service: Service, *, nocache: bool = False) -> None:
        folders = image_context(service, base="workbench/rootfs:none").folders
        texts = [{n: p.read_text() for n, p in folders[f].items()} for f in ("dependencies", "code")]
        self.contexts.append((nocache, texts[0], texts[1]))
        if self._error is not None and len(self.contexts) == self._stop_at:
            raise self._error


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "app.py").write_text("def handler(event, context): pass\n")
    return Service.from_dir(tmp_path, "app.handler")


def test_each_kind_changes_what_it_says_and_all_samples_are_kept(service: Service) -> None:
    builder = Builder()
    found = image_build(service, builder, rounds=3)
    assert [len(found.detail[f"{kind}_s"]) for kind in found.detail["kinds"]] == [3, 3, 3, 3]
    assert found.samples == tuple(found.detail["code_s"])
    assert (found.complete, found.provenance.kind) == (True, "measured")
    assert [nocache for nocache, _, _ in builder.contexts] == [True, False, False, False] * 4
    for first in range(0, 16, 4):
        (_, needed, code), unchanged, changed, dependency = builder.contexts[first : first + 4]
        assert unchanged[1:] == (needed, code)
        assert (changed[1] == needed, changed[2] == code) == (True, False)
        assert (dependency[1] == needed, dependency[2] == changed[2]) == (False, True)
    assert len({str(needed) for _, needed, _ in builder.contexts}) == 8
    assert sorted(path.name for path in service.source.iterdir()) == ["app.py"], "the service itself stays as it is"


def test_interrupted_it_keeps_what_there_was(service: Service) -> None:
    with pytest.raises(Interrupted) as told:
        image_build(service, Builder(9, KeyboardInterrupt()), rounds=3)
    [kept] = told.value.measurements
    assert (kept.complete, len(kept.samples)) == (False, 1)


def test_what_a_build_raises_comes_out(service: Service) -> None:
    with pytest.raises(DeploymentError, match="no engine"):
        image_build(service, Builder(1, DeploymentError("no engine")), rounds=1)
