"""Code on disk: kept once, merged for /opt, removed when unused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from workbench.errors import PackageError
from workbench.faas.functions.code_store import CodeStore, opt_name


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


def seen(tree: Path) -> dict[str, str]:
    return {str(path.relative_to(tree)): path.read_text() for path in sorted(tree.rglob("*")) if path.is_file()}


def test_code_is_kept_once_and_removed_when_unused(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    archive = zipped(app="x = 1\n")
    store.add(archive, "aa")
    store.add(archive, "aa")
    store.add(archive, "bb")
    assert seen(store.tree("aa")) == {"app": "x = 1\n"}
    assert store.archive("aa").read_bytes() == archive
    assert store.unpacked_bytes("aa") == 6
    store.keep({"bb"})
    assert not store.tree("aa").exists()
    assert store.tree("bb").exists()
    with pytest.raises(PackageError):
        store.add(b"no zip", "cc")
    assert [p.name for p in tmp_path.iterdir()] == ["bb"]


def test_a_later_layer_is_laid_over_an_earlier_one(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    store.add(zipped(python__a="1", python__same="first", bin__tool="1"), "aa")
    store.add(zipped(python__b="2", python__same="second"), "bb")
    store.merge(("aa", "bb"))
    merged = store.tree(opt_name(("aa", "bb")))
    assert seen(merged) == {"bin/tool": "1", "python/a": "1", "python/b": "2", "python/same": "second"}
    assert seen(store.tree("aa"))["python/same"] == "first", "the layers themselves stay as they are"
    store.merge(("bb", "aa"))
    assert seen(store.tree(opt_name(("bb", "aa"))))["python/same"] == "first", "the order counts"


def test_a_file_gives_way_to_a_directory_and_the_other_way_round(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    store.add(zipped(x="file"), "aa")
    store.add(zipped(x__inner="deep"), "bb")
    store.merge(("aa", "bb"))
    store.merge(("bb", "aa"))
    assert seen(store.tree(opt_name(("aa", "bb")))) == {"x/inner": "deep"}
    assert seen(store.tree(opt_name(("bb", "aa")))) == {"x": "file"}


def test_one_layer_needs_no_merged_tree(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    store.add(zipped(a="1"), "aa")
    store.merge(("aa",))
    store.merge(())
    assert opt_name(("aa",)) == "aa"
    assert opt_name(()) == ""
    assert [p.name for p in tmp_path.iterdir()] == ["aa"]


def test_a_merged_tree_stays_when_its_layers_go(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    store.add(zipped(a="1"), "aa")
    store.add(zipped(b="2"), "bb")
    store.merge(("aa", "bb"))
    name = opt_name(("aa", "bb"))
    store.keep({name})
    assert seen(store.tree(name)) == {"a": "1", "b": "2"}
