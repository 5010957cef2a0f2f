"""Ctrl-C while a deployment starts and ends its instances, again and again: nothing is left half done."""

from __future__ import annotations

import os
import random
import signal
import threading

import pytest

from workbench.deployments import vm
from workbench.experiments import Interrupted, cold_start
from workbench.instance import InstanceState
from workbench.samples import sample

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("seed", range(4))
def test_whenever_it_comes_the_deployment_can_be_closed_and_every_instance_has_ended(seed: int) -> None:
    after_s = random.Random(seed).uniform(0.3, 0.6)
    with vm.deploy(sample("pricing"), "process") as deployment:
        press = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
        press.start()
        with pytest.raises(KeyboardInterrupt) as interrupt:
            cold_start(deployment, samples=5000, warm_per_sample=0)
        press.join()
        assert deployment.invoke({"sku": "A1"}).payload["sku"] == "A1"  # it goes on serving
    assert isinstance(interrupt.value, Interrupted)
    last = {event.instance_id: event.state for event in deployment.events()}
    assert set(last.values()) <= {InstanceState.STOPPED, InstanceState.FAILED}, last
