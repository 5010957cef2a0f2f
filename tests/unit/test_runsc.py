"""What a registration of gVisor at Docker Engine lacks is named."""

from __future__ import annotations

import pytest

from workbench.capabilities import runsc


def _registered(*arguments: str) -> dict[str, object]:
    return {"runc": {"path": "runc"}, "runsc": {"path": "/usr/bin/runsc", "runtimeArgs": list(arguments)}}


@pytest.mark.parametrize(
    "arguments",
    [
        runsc.ARGUMENTS,
        ("-network=none", "-host-uds=all", "--platform=kvm"),
        ("--network=none", "--fsgofer-host-uds"),
    ],
)
def test_what_lets_the_owner_reach_the_inside_is_enough(arguments: tuple[str, ...]) -> None:
    assert runsc.missing(_registered(*arguments)) == ""


@pytest.mark.parametrize(
    ("runtimes", "said"),
    [
        ({"runc": {"path": "runc"}}, "no runtime runsc"),
        ({"runsc": {"path": "/usr/bin/runsc"}}, "--host-uds=open"),
        (_registered("--network=none", "--host-uds=none"), "--host-uds=open"),
        (_registered("--network=none", "--host-uds=create"), "--host-uds=open"),
        (_registered("--host-uds=open"), "--network=none"),
    ],
)
def test_what_is_missing_is_said(runtimes: dict[str, object], said: str) -> None:
    assert said in runsc.missing(runtimes)


def test_the_remedy_says_every_argument() -> None:
    assert all(f'"{argument}"' in runsc.REMEDY for argument in runsc.ARGUMENTS)
