"""`wb.platform`: a platform by itself, as a notebook uses it."""

from __future__ import annotations

import json

import psutil
import pytest

import workbench as wb
from tests.functional.faas.platform import alive, eventually


def test_a_deployed_sample_is_invoked_by_what_happens_beside_it() -> None:
    with wb.platform("process", aws=True) as here:
        pid = here._platform.pid
        started = [child.pid for child in psutil.Process(pid).children(recursive=True)]
        with here.deploy(wb.sample("pricing")) as function:
            assert function.invoke({"sku": "A1", "quantity": 3}).payload["sku"] == "A1"
            (arn,) = [f["FunctionArn"] for f in here.client("lambda").list_functions()["Functions"]]
            topic = here.client("sns").create_topic(Name="orders")["TopicArn"]
            here.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
            identity = here.client("sns").publish(TopicArn=topic, Message=json.dumps({"sku": "A1"}))["MessageId"]
            steps = eventually(lambda: here.request("GET", f"/_workbench/flow?id={identity}")["steps"][1:])
            assert steps[0]["instance"] in {view.instance_id for view in function.instances()}
    assert not alive(pid)
    assert started
    assert not any(map(alive, started))


def test_an_unknown_sandbox_is_said() -> None:
    with pytest.raises(wb.WorkbenchError, match="There is no sandbox 'vmware' here; choose auto or one of"):
        wb.platform("vmware")
