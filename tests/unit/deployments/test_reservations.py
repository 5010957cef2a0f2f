"""Reserved memory: what one deployment has, another cannot get; CPUs may be promised twice, which is said."""

from __future__ import annotations

import pytest

from workbench.deployments.reservations import Reservations
from workbench.errors import DeploymentError
from workbench.service import Resources

SMALL = Resources(memory_mb=1000)


@pytest.fixture
def machine() -> Reservations:
    return Reservations(lambda: 8000, cpus=2)


def test_as_many_as_fit_and_the_error_says_how_many(machine: Reservations) -> None:
    machine.hold("a", 8, SMALL)
    with pytest.raises(DeploymentError, match=r"8 fit. Scale to 8"):
        machine.hold("a", 9, SMALL)
    assert machine.of("a").memory_mb == 8000


def test_what_another_deployment_has_is_not_free(machine: Reservations) -> None:
    machine.hold("a", 5, SMALL)
    with pytest.raises(DeploymentError, match="3 fit"):
        machine.hold("b", 4, SMALL)
    machine.hold("a", 2, SMALL)
    machine.hold("b", 6, SMALL)
    machine.release("b")
    machine.hold("a", 8, SMALL)
    assert machine.of("b").instances == 0


def test_scaling_down_is_never_refused() -> None:
    free_mb = 8000
    machine = Reservations(lambda: free_mb, cpus=2)
    machine.hold("a", 8, SMALL)
    free_mb = 1000  # the machine has become smaller, as a virtual one may
    machine.hold("a", 7, SMALL)
    with pytest.raises(DeploymentError):
        machine.hold("a", 8, SMALL)


def test_cpus_promised_twice_are_stated(machine: Reservations) -> None:
    machine.hold("a", 2, Resources(memory_mb=1769))
    assert "times" not in str(machine.of("a"))
    machine.hold("a", 4, Resources(memory_mb=1769))
    assert machine.of("a").vcpus == 4.0
    assert "4.00 of 2 CPUs, 2.0 times what there is" in str(machine.of("a"))
