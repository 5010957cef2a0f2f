from __future__ import annotations

from typing import Any

import psutil
import pytest

from workbench.errors import DeploymentError, HandlerError, InvocationTimeout
from workbench.experiments import Interrupted, isolation
from workbench.experiments.limits import memory_limit
from workbench.experiments.noise import Noise
from workbench.experiments.probes import Pair, look_around, result_of
from workbench.experiments.probing import probe_service
from workbench.service import Resources

NAMESPACES = {kind: f"{kind}:[1]" for kind in ("pid", "net", "mnt", "ipc", "uts", "user")}


class Answers:
    """A probe that answers each action as told; an exception is raised."""

    endpoint = "http://127.0.0.1:1"
    pattern = "fake"

    def __init__(self, endpoint: str = "http://127.0.0.1:1", memory_mb: int = 256, **answers: Any) -> None:
        self.endpoint = endpoint
        self.service = probe_service("x", Resources(memory_mb))
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.ids = ["a"]

    def invoke(self, payload: dict[str, Any]) -> Any:
        self.asked.append(payload)
        answer = self.answers[payload["action"]]
        if isinstance(answer, Exception):
            raise answer
        return type("Result", (), {"payload": answer, "latency_ms": 1.0})

    def instances(self) -> list[Any]:
        return [type("View", (), {"instance_id": i, "cpu_s": None}) for i in self.ids]


def pair(shared: bool, neighbour_at: str = "http://127.0.0.1:2", **answers: Any) -> Pair:
    """A victim that sees what `answers` says, with the neighbour in the same namespaces or in others."""
    victim = Answers(
        **{
            "processes": {"pids": [1, 7], "secret_in": []},
            "read_memory": {"read": False, "tried": 1, "refused": "Permission denied", "pid": None},
            "signal": {"allowed": False, "reason": "Operation not permitted"},
            "read_files": {"found": [], "looked_at": 1},
            "connect": {"reached": [], "visible": [], "visible_reached": []},
            "write_root": {"writable": [], "task_root": "/var/task"},
            **answers,
        }
    )
    other = NAMESPACES if shared else {kind: f"{kind}:[2]" for kind in NAMESPACES}
    planted = {
        "pid": 7, "instance": "n", "namespaces": other, "address": 64, "file": "/tmp/probe-n.txt",
        "listeners": [["127.0.0.1", 9001]], "addresses": ["10.0.0.3"],
    }  # fmt: skip
    victim_is = {"namespaces": NAMESPACES, "listeners": [["127.0.0.1", 9001]]}
    return Pair(victim, Answers(neighbour_at), "s3cret", planted, victim_is)  # type: ignore[arg-type]


def held(pair: Pair) -> dict[str, bool | None]:
    return {p.name: p.held for p in look_around(pair)}


def test_walls_that_hold() -> None:
    found = held(pair(shared=False))
    assert set(found.values()) == {True}
    assert len(found) == 7


def test_the_same_process_number_elsewhere_is_somebody_else() -> None:
    assert held(pair(shared=False))["processes"] is True
    assert held(pair(shared=True))["processes"] is False


@pytest.mark.parametrize(
    ("neighbours", "victims", "same"),
    [
        ({"boot": "a"}, {"boot": "a", "pid": 8}, True),
        ({"boot": "a"}, {"boot": "b", "pid": 8}, False),  # two virtual machines
        ({"boot": "a"}, {"boot": "a", "pid": 7}, True),  # one process that holds both
        ({"boot": ""}, {"boot": "", "pid": 8}, True),
        ({"boot": ""}, {"boot": "", "pid": 7}, False),  # two kernels of gVisor
    ],
)
def test_equal_namespace_numbers_of_two_kernels_are_no_common_namespace(
    neighbours: dict[str, Any], victims: dict[str, Any], same: bool
) -> None:
    both = pair(shared=True)
    both.planted.update(neighbours)
    both.victim_is.update(victims)
    assert both.share_pids is same


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("environment", {"processes": {"pids": [1], "secret_in": [{"pid": 1, "place": "environ"}]}}),
        ("memory", {"read_memory": {"read": True, "pid": 7, "tried": 1, "refused": ""}}),
        ("signals", {"signal": {"allowed": True, "reason": ""}}),
        ("files", {"read_files": {"found": ["/tmp/probe-n.txt"], "looked_at": 1}}),
        ("ports", {"connect": {"reached": [["10.0.0.3", 9001]], "visible": [], "visible_reached": []}}),
        ("root file system", {"write_root": {"writable": ["/etc"], "task_root": "/var/task"}}),
    ],
)
def test_each_wall_can_be_found_broken(name: str, answers: dict[str, Any]) -> None:
    assert held(pair(shared=False, **answers))[name] is False


def test_reaching_ones_own_port_is_not_reaching_the_neighbour() -> None:
    own = {"connect": {"reached": [["127.0.0.1", 9001]], "visible": [], "visible_reached": []}}
    assert held(pair(shared=False, **own))["ports"] is True
    assert held(pair(shared=True, **own))["ports"] is False


def test_an_address_that_every_instance_has_is_ones_own() -> None:
    own = {"connect": {"reached": [["10.0.0.3", 9001]], "visible": [], "visible_reached": []}}
    twins = pair(shared=False, **own)
    assert held(twins)["ports"] is False
    twins.victim_is["addresses"] = ["10.0.0.3"]  # as each virtual machine on QEMU's own network has
    assert held(twins)["ports"] is True


def test_a_platforms_common_endpoint_is_not_tried() -> None:
    common = pair(shared=False, neighbour_at="http://127.0.0.1:1")
    look_around(common)
    asked = next(a for a in common.victim.asked if a["action"] == "connect")  # type: ignore[attr-defined]
    assert asked["addresses"] == [["127.0.0.1", 9001]]


def test_without_proc_the_question_stays_open() -> None:
    found = held(pair(shared=False, processes={"pids": [], "secret_in": []}))
    assert found["processes"] is None
    assert found["environment"] is None


def test_a_failed_question_stays_open_with_its_reason() -> None:
    probe = result_of("x", "?", lambda: (_ for _ in ()).throw(InvocationTimeout("no answer within 30 s\nmore")))
    assert probe.held is None
    assert probe.observed == "not tried: no answer within 30 s"


def allocated(reached: int, killed: int = 0) -> dict[str, Any]:
    return {"asked_mb": 320, "reached_mb": reached, "killed": killed, "each_mb": []}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (allocated(320), False),
        (allocated(240), True),
        (allocated(280, killed=1), True),
        (HandlerError("cannot", "MemoryError"), True),
        (InvocationTimeout("no answer"), None),
    ],
)
def test_whether_the_memory_limit_held(answer: Any, expected: bool | None) -> None:
    assert memory_limit(Answers(allocate=answer)).held is expected  # type: ignore[arg-type]


def test_an_instance_ended_at_its_limit_was_limited() -> None:
    probe = Answers(allocate=DeploymentError("connection lost"))
    probe.invoke = lambda payload: (setattr(probe, "ids", ["b"]), Answers.invoke(probe, payload))[1]  # type: ignore[method-assign]
    found = memory_limit(probe)  # type: ignore[arg-type]
    assert found.held is True
    assert found.reached_mb is None


def test_memory_beyond_half_of_what_is_there_is_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 600 * 2**20}))
    probe = Answers(memory_mb=256, allocate=allocated(0))
    found = memory_limit(probe)  # type: ignore[arg-type]
    assert found.held is None
    assert "more than half of the 600 MB" in found.observed
    assert probe.asked == []


def test_a_noisy_neighbour_is_judged_by_the_interval() -> None:
    slow, even = Noise([1.0] * 20, [2.0] * 20, [1.0]), Noise([1.0] * 20, [1.05] * 20, [1.0])
    assert slow.probe().held is False
    assert even.probe().held is True
    assert Noise([1.0], [2.0]).probe().held is None
    assert Noise([1.0] * 20, [2.0] * 20, failure="it died").probe().observed == "it died"


def test_nothing_is_boxed_in_by_the_fake_and_everything_is_closed(make: Any) -> None:
    deployment = make()
    (found,) = isolation(deployment, rounds=1, window_s=0.05)
    seen = {p["name"]: p["held"] for p in found.detail["probes"]}
    assert seen["memory limit"] is False
    assert seen["files"] is False
    assert found.detail["tried"] == sum(held is not None for held in seen.values())
    assert found.detail["held"] == sum(held is True for held in seen.values())
    assert len(found.samples) == len(found.detail["noisy"]["beside_ms"]) > 0
    assert deployment.neighbours
    assert deployment.all_closed()


def test_an_interrupt_closes_the_neighbours_and_keeps_the_samples(make: Any) -> None:
    deployment = make()

    def stop(stage: str, done: int, total: int) -> None:
        if done == 2:  # before the second round of noise
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        isolation(deployment, rounds=2, window_s=0.05, progress=stop)
    (kept,) = caught.value.measurements
    assert kept.samples
    assert not kept.complete
    assert deployment.all_closed()


def test_probes_are_kept_even_when_the_noise_never_began(make: Any) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        isolation(make(), rounds=1, window_s=0.05, progress=stop)
    (kept,) = caught.value.measurements
    assert kept.samples == ()
    assert len(kept.detail["probes"]) == 16
