"""Layers: published, laid over each other at /opt, kept for those who use them, and hostile ones refused."""

from __future__ import annotations

import io
import json
import stat
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform, eventually, zipped
from tests.needs import needs

LOOK = """
import os, shutil
def handler(event, context):
    import greeting
    return {
        "greeting": greeting.TEXT,
        "tool": shutil.which("tool"),
        "opt": sorted(os.listdir("/opt")) if os.path.isdir("/opt") else [],
        "library_path": os.environ.get("LD_LIBRARY_PATH", ""),
    }
"""


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            made.writestr(entry, text)
    return buffer.getvalue()


GREETING = archive(**{"python/greeting.py": "TEXT = 'hello from a layer'\n", "bin/tool": "#!/bin/sh\necho a tool\n"})
LOUDER = archive(
    **{"python/lib/python3.11/site-packages/other.py": "", "python/greeting.py": "TEXT = 'LOUDER'\n", "lib/libx.so": ""}
)


@pytest.fixture(scope="module")
def layers(platform: Platform) -> dict[str, str]:
    """Two layers by name, as the ARNs of their first versions."""
    made = {
        name: platform.client.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
        for name, content in (("greeting", GREETING), ("louder", LOUDER))
    }
    return made


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_what_a_layer_holds_is_importable(platform: Platform, layers: dict[str, str]) -> None:
    name = platform.create(zipped(app=LOOK), Layers=[layers["greeting"]])
    shown = platform.client.get_function_configuration(FunctionName=name)["Layers"]
    assert shown == [{"Arn": layers["greeting"], "CodeSize": len(GREETING)}]
    assert platform.value(name)["greeting"] == "hello from a layer"
    platform.client.update_function_configuration(FunctionName=name, Layers=[layers["greeting"], layers["louder"]])
    assert platform.value(name)["greeting"] == "LOUDER", "a later layer's files replace an earlier's"
    platform.client.update_function_configuration(FunctionName=name, Layers=[])
    assert "Layers" not in platform.client.get_function_configuration(FunctionName=name)
    assert b"No module named 'greeting'" in platform.invoke(name)["Body"]
    platform.delete(name)


@needs("namespaces")
def test_in_a_sandbox_the_layers_are_opt() -> None:
    with Platform(isolation="namespaces") as platform:
        arns = [
            platform.client.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
            for name, content in (("a", GREETING), ("b", LOUDER))
        ]
        name = platform.create(zipped(app=LOOK), Layers=arns)
        seen = platform.value(name)
    assert (seen["greeting"], seen["tool"], seen["opt"]) == ("LOUDER", "/opt/bin/tool", ["bin", "lib", "python"])
    assert "/opt/lib" in seen["library_path"]


def test_a_layer_version_is_shown_and_can_be_downloaded(platform: Platform) -> None:
    client = platform.client
    made = client.publish_layer_version(
        LayerName="shown",
        Content={"ZipFile": GREETING},
        Description="what it is",
        LicenseInfo="MIT",
        CompatibleRuntimes=["python3.11"],
        CompatibleArchitectures=["x86_64"],
    )
    assert (made["Version"], made["LayerArn"] + ":1") == (1, made["LayerVersionArn"])
    for shown in (
        client.get_layer_version(LayerName="shown", VersionNumber=1),
        client.get_layer_version(LayerName=made["LayerArn"], VersionNumber=1),
        client.get_layer_version_by_arn(Arn=made["LayerVersionArn"]),
    ):
        assert {k: v for k, v in shown.items() if k != "ResponseMetadata"} == {
            k: v for k, v in made.items() if k != "ResponseMetadata"
        }
        with urllib.request.urlopen(shown["Content"]["Location"]) as answer:
            assert answer.read() == GREETING
    assert refused(client.get_layer_version, LayerName="shown", VersionNumber=2)[0] == "ResourceNotFoundException"
    assert refused(client.get_layer_version, LayerName="shown", VersionNumber=0)[0] == "InvalidParameterValueException"


def test_layers_and_their_versions_are_listed(platform: Platform) -> None:
    client = platform.client
    for runtimes in (["python3.11"], ["python3.12"], ["python3.11"]):
        client.publish_layer_version(LayerName="listed", Content={"ZipFile": GREETING}, CompatibleRuntimes=runtimes)
    pages = client.get_paginator("list_layer_versions").paginate(LayerName="listed", PaginationConfig={"PageSize": 2})
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == [3, 2, 1]
    old = client.list_layer_versions(LayerName="listed", CompatibleRuntime="python3.12")["LayerVersions"]
    assert [version["Version"] for version in old] == [2]
    found = client.get_paginator("list_layers").paginate(
        CompatibleRuntime="python3.12", PaginationConfig={"PageSize": 1}
    )
    latest = {
        layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for page in found for layer in page["Layers"]
    }
    assert latest["listed"] == 2
    assert client.list_layer_versions(LayerName="absent")["LayerVersions"] == []


def test_a_deleted_layer_version_stays_for_those_who_use_it(platform: Platform) -> None:
    client = platform.client
    arn = client.publish_layer_version(LayerName="brief", Content={"ZipFile": LOUDER})["LayerVersionArn"]
    name = platform.create(zipped(app=LOOK), Layers=[arn])
    client.delete_layer_version(LayerName="brief", VersionNumber=1)
    client.delete_layer_version(LayerName="brief", VersionNumber=1)
    assert refused(client.get_layer_version, LayerName="brief", VersionNumber=1)[0] == "ResourceNotFoundException"
    assert platform.value(name)["greeting"] == "LOUDER"
    code, text = refused(client.update_function_configuration, FunctionName=name, Layers=[arn])
    assert (code, text) == ("InvalidParameterValueException", f"Layer version {arn} does not exist.")
    again = client.publish_layer_version(LayerName="brief", Content={"ZipFile": LOUDER})
    assert again["Version"] == 2, "a version's number is never given again"
    platform.delete(name)


def test_an_instance_keeps_the_layers_that_it_was_started_with(platform: Platform) -> None:
    reading = (
        "import sys, time\n"
        "def handler(event, context):\n"
        "    time.sleep(event.get('sleep', 0))\n"
        "    place = next(p for p in sys.path if p.endswith('/python'))\n"
        "    return open(place + '/greeting.py').read()\n"
    )
    publish = platform.client.publish_layer_version
    content = archive(**{"python/greeting.py": "only here"})
    arns = [
        publish(LayerName=f"kept{n}", Content={"ZipFile": part})["LayerVersionArn"]
        for n, part in enumerate((GREETING, content))
    ]
    name = platform.create(zipped(app=reading), Layers=arns)
    platform.value(name)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(platform.value, name, {"sleep": 3})
        eventually(lambda: any(i["state"] == "busy" for i in platform.instances(name)))
        platform.client.update_function_configuration(FunctionName=name, Layers=[])
        platform.client.delete_layer_version(LayerName="kept1", VersionNumber=1)
        assert running.result() == "only here"
    platform.delete(name)


def test_five_layers_and_one_version_of_each_are_the_limit(platform: Platform, function: str) -> None:
    arns = [
        platform.client.publish_layer_version(LayerName=f"many{n}", Content={"ZipFile": GREETING})["LayerVersionArn"]
        for n in range(6)
    ]
    second = platform.client.publish_layer_version(LayerName="many0", Content={"ZipFile": LOUDER})["LayerVersionArn"]
    update = platform.client.update_function_configuration
    assert refused(update, FunctionName=function, Layers=arns)[1] == "Cannot reference more than 5 layers."
    assert "Two different versions" in refused(update, FunctionName=function, Layers=[arns[0], second])[1]
    assert len(update(FunctionName=function, Layers=arns[:5])["Layers"]) == 5


def test_code_and_layers_together_have_a_limit(platform: Platform) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("big", bytes(200 * 2**20))
    large = buffer.getvalue()
    arn = platform.client.publish_layer_version(LayerName="large", Content={"ZipFile": large})["LayerVersionArn"]
    with pytest.raises(ClientError, match=r"Function code combined with layers exceeds .* 262144000 bytes"):
        platform.create(large, Layers=[arn])
    name = platform.create(Layers=[arn])
    with pytest.raises(ClientError, match="exceeds the maximum allowed size"):
        platform.client.update_function_code(FunctionName=name, ZipFile=large)
    platform.delete(name)
    platform.client.delete_layer_version(LayerName="large", VersionNumber=1)


def link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        entry = zipfile.ZipInfo("python/passwd")
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(entry, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"no zip", b"PK\x03\x04" + bytes(40), archive(**{"../outside": "x"}), archive(**{"/etc/passwd": "x"}), link()],
    ids=["no zip", "cut", "upwards", "absolute", "link"],
)
def test_hostile_layers_are_refused(platform: Platform, content: bytes) -> None:
    publish = platform.client.publish_layer_version
    code, text = refused(publish, LayerName="hostile", Content={"ZipFile": content})
    assert code == "InvalidParameterValueException"
    assert text.startswith("Could not unzip uploaded file.")
    assert platform.client.list_layer_versions(LayerName="hostile")["LayerVersions"] == []


def test_who_may_use_a_layer_is_kept(platform: Platform) -> None:
    client = platform.client
    client.publish_layer_version(LayerName="shared", Content={"ZipFile": GREETING})
    layer = {"LayerName": "shared", "VersionNumber": 1}
    assert refused(client.get_layer_version_policy, **layer)[0] == "ResourceNotFoundException"
    grant = {**layer, "StatementId": "all", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    made = client.add_layer_version_permission(**grant, OrganizationId="o-0123456789")
    assert refused(client.add_layer_version_permission, **grant)[0] == "ResourceConflictException"
    policy = client.get_layer_version_policy(**layer)
    assert json.loads(policy["Policy"])["Statement"] == [json.loads(made["Statement"])]
    assert policy["RevisionId"] == made["RevisionId"]
    remove = client.remove_layer_version_permission
    assert refused(remove, **layer, StatementId="all", RevisionId="no")[0] == "PreconditionFailedException"
    assert refused(remove, **layer, StatementId="none")[0] == "ResourceNotFoundException"
    remove(**layer, StatementId="all", RevisionId=made["RevisionId"])
    assert refused(client.get_layer_version_policy, **layer)[0] == "ResourceNotFoundException"
