"""Where groups are made, found out from hand-written /proc files over a directory that stands for /sys/fs/cgroup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.errors import DeploymentError
from workbench.isolation import cgroups
from workbench.sandbox import Usage
from workbench.service import Resources
from workbench.session import session_id

RESOURCES = Resources(memory_mb=1769 // 2)


@dataclass(frozen=True)
class Proc:
    own: str
    mounted: str

    def memberships(self) -> str:
        return self.own

    def mounts(self) -> str:
        return self.mounted


def _mount(kind: str, where: Path, options: str, root: str = "/") -> str:
    return f"30 24 0:26 {root} {where} rw,relatime shared:9 - {kind} {kind} rw,{options}\n"


def _v1(top: Path, own: str, *controllers: str) -> Proc:
    for name in controllers:
        (top / name / own.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for directory in (top / name, top / name / own.lstrip("/")):
            (directory / "cgroup.procs").write_text("")
    memberships = "".join(f"{i}:{name}:{own}\n" for i, name in enumerate(controllers, 1))
    return Proc(memberships + "0::/\n", "".join(_mount("cgroup", top / name, name) for name in controllers))


def _v2(top: Path, own: str, offered: str, given: dict[str, str]) -> Proc:
    """A v2 tree; `given` is what groups by path give to those below them already."""
    directory = top
    for part in ("", *[p for p in own.split("/") if p]):
        directory /= part
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.procs").write_text("")
        (directory / "cgroup.controllers").write_text(offered)
        path = "/" + str(directory.relative_to(top)).lstrip(".")
        (directory / "cgroup.subtree_control").write_text(given.get(path, ""))
    return Proc(f"0::{own}\n", _mount("cgroup2", top, "nsdelegate"))


def test_v1_makes_a_group_in_every_hierarchy_below_its_own(tmp_path: Path) -> None:
    files = _v1(tmp_path, "/job/7", "memory", "cpu", "pids")
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.version == 1
    assert group.controllers == {"memory", "cpu", "pids"}
    below = f"job/7/workbench-{session_id()}/box"
    assert (tmp_path / "memory" / below / "memory.limit_in_bytes").read_text() == str(884 * 2**20)
    assert (tmp_path / "pids" / below / "pids.max").read_text() == "33"
    assert (tmp_path / "cpu" / below / "cpu.cfs_period_us").read_text() == "100000"
    assert (tmp_path / "cpu" / below / "cpu.cfs_quota_us").read_text() == str(round(100_000 * 884 / 1769))


def test_v1_swap_is_limited_with_memory_where_it_is_counted(tmp_path: Path) -> None:
    files = _v1(tmp_path, "/", "memory")
    below = tmp_path / "memory" / f"workbench-{session_id()}" / "box"
    below.mkdir(parents=True)
    (below / "memory.memsw.limit_in_bytes").write_text("max")
    cgroups.create("box", RESOURCES, 33, files=files)
    assert (below / "memory.memsw.limit_in_bytes").read_text() == str(884 * 2**20)


def test_a_tiny_share_is_not_below_what_the_kernel_takes(tmp_path: Path) -> None:
    files = _v1(tmp_path, "/", "cpu")
    cgroups.create("box", Resources(memory_mb=128), 33, files=files)
    quota = tmp_path / "cpu" / f"workbench-{session_id()}" / "box" / "cpu.cfs_quota_us"
    assert int(quota.read_text()) == round(100_000 * 128 / 1769) >= 1000


def test_v2_goes_up_to_the_first_group_that_gives_controllers_on(tmp_path: Path) -> None:
    own = "/user.slice/app.slice/shell.scope"
    files = _v2(tmp_path, own, "memory cpu pids", {"/user.slice/app.slice": "memory cpu pids"})
    # The own group holds processes, so the kernel refuses to let it give controllers on.
    refused = tmp_path / own.lstrip("/") / "cgroup.subtree_control"
    refused.unlink()
    refused.mkdir()
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.version == 2
    assert group.controllers >= {"memory", "cpu", "pids"}
    place = tmp_path / "user.slice/app.slice" / f"workbench-{session_id()}" / "box"
    assert (place / "pids.max").read_text() == "33"
    assert (place / "cpu.max").exists()


def test_v2_does_not_hand_on_from_a_group_that_holds_processes(tmp_path: Path) -> None:
    """The kernel would take `cpu`, and then refuse every process in the groups below."""
    own = "/user.slice/shell.scope"
    files = _v2(tmp_path, own, "memory cpu pids", {own: "cpu pids", "/user.slice": "memory cpu pids"})
    here = tmp_path / own.lstrip("/")
    (here / "cgroup.type").write_text("domain threaded\n")
    (here / "cgroup.procs").write_text("12\n")
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.controllers >= {"memory", "cpu", "pids"}
    assert set(group.directories.values()) == {tmp_path / "user.slice" / f"workbench-{session_id()}" / "box"}
    assert (here / "cgroup.subtree_control").read_text() == "cpu pids", "the own group is left as it is"


def test_v2_mounted_from_outside_the_cgroup_namespace_is_not_used(tmp_path: Path) -> None:
    """The kernel lets nobody move a process there, though root can make groups."""
    files = _v2(tmp_path, "/", "memory cpu pids", {"/": "memory cpu pids"})
    outside = Proc(files.own, _mount("cgroup2", tmp_path, "nsdelegate", root="/../.."))
    assert cgroups.create("box", RESOURCES, 33, files=files) is not None
    assert cgroups.create("box", RESOURCES, 33, files=outside) is None


def test_v2_limits_are_written(tmp_path: Path) -> None:
    files = _v2(tmp_path, "/", "memory cpu pids", {"/": "memory cpu pids"})
    session = tmp_path / f"workbench-{session_id()}"
    session.mkdir()
    (session / "cgroup.controllers").write_text("memory cpu pids")
    (session / "cgroup.subtree_control").write_text("memory cpu pids")
    below = session / "box"
    below.mkdir()
    (below / "cgroup.procs").write_text("")
    (below / "memory.swap.max").write_text("max")
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.controllers == {"memory", "cpu", "pids", "freeze"}
    assert (below / "memory.max").read_text() == str(884 * 2**20)
    assert (below / "memory.swap.max").read_text() == "0"
    assert (below / "cpu.max").read_text() == f"{round(100_000 * 884 / 1769)} 100000"
    assert (below / "pids.max").read_text() == "33"


def test_a_part_of_the_tree_mounted_into_a_container_is_used(tmp_path: Path) -> None:
    (tmp_path / "memory" / "inner").mkdir(parents=True)
    for directory in (tmp_path / "memory", tmp_path / "memory" / "inner"):
        (directory / "cgroup.procs").write_text("")
    files = Proc("4:memory:/docker/abc/inner\n", _mount("cgroup", tmp_path / "memory", "memory", root="/docker/abc"))
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.directories["memory"] == tmp_path / "memory/inner" / f"workbench-{session_id()}" / "box"


@pytest.mark.parametrize("files", [Proc("", ""), Proc("0::/\n", ""), Proc("1:cpu:/\n", "garbage\n")])
def test_without_hierarchies_there_is_no_group(files: Proc) -> None:
    assert cgroups.create("box", RESOURCES, 33, files=files) is None


def test_what_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    files = _v1(tmp_path, "/", "memory", "pids")
    # A file where the session's directory should be: nothing can be made there, not even by root.
    (tmp_path / "memory" / f"workbench-{session_id()}").write_text("")
    group = cgroups.create("box", RESOURCES, 33, files=files)
    assert group is not None
    assert group.controllers == {"pids"}


def test_usage_and_oom_kills_are_read_as_each_version_counts_them(tmp_path: Path) -> None:
    one = cgroups.Cgroup(1, {"memory": tmp_path / "m", "cpuacct": tmp_path / "c"})
    for directory in ("m", "c", "two"):
        (tmp_path / directory).mkdir()
    (tmp_path / "c/cpuacct.usage").write_text("1500000000\n")
    (tmp_path / "m/memory.max_usage_in_bytes").write_text("4096\n")
    (tmp_path / "m/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert one.usage() == Usage(1.5, 4096)
    assert one.oom_kills() == 2
    two = cgroups.Cgroup(2, dict.fromkeys(("memory", "cpu"), tmp_path / "two"))
    (tmp_path / "two/cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (tmp_path / "two/memory.current").write_text("100\n")
    (tmp_path / "two/memory.events").write_text("low 0\noom 3\noom_kill 1\n")
    assert two.usage() == Usage(2.5, 100)
    assert two.oom_kills() == 1
    (tmp_path / "two/memory.peak").write_text("900\n")
    assert two.usage() == Usage(2.5, 900)


def test_without_a_counter_there_is_no_usage(tmp_path: Path) -> None:
    group = cgroups.Cgroup(1, {"pids": tmp_path})
    assert group.usage() is None
    assert group.oom_kills() == 0
    with pytest.raises(DeploymentError, match="doctor"):
        group.freeze()


def test_a_process_that_cannot_be_moved_is_an_error_that_says_so(tmp_path: Path) -> None:
    group = cgroups.Cgroup(1, {"pids": tmp_path / "gone"})
    with pytest.raises(DeploymentError, match="Process 12 cannot be moved"):
        group.add(12)
