"""`workbench invoke` as a person runs it, against a real platform; and how it finds one."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, eventually, zipped
from workbench import cleaning, invoke_job
from workbench.errors import DeploymentError, PackageError
from workbench.session import state_dir

ECHO = """
def handler(event, context):
    print("seen", event)
    if event.get("raise"):
        raise KeyError("no such thing")
    return {"got": event, "version": context.function_version, "ü": 1}
"""


@pytest.fixture(scope="module", autouse=True)
def own_place() -> Iterator[None]:
    """A temporary directory for this module alone: platforms that other tests run at the same time are not found."""
    with tempfile.TemporaryDirectory(prefix="own") as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", place)
        patch.setattr(tempfile, "tempdir", place)
        yield


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as running:
        yield running


@pytest.fixture(scope="module")
def platform(own_place: None, aws: Aws) -> Iterator[Platform]:
    with Platform("--retry-scale", "0.002", "--aws-endpoint", aws.endpoint) as running:
        running.client.create_function(
            FunctionName="echo",
            Code={"ZipFile": zipped(app=ECHO)},
            Runtime="python3.11",
            Handler="app.handler",
            Role="arn:aws:iam::000000000000:role/r",
        )
        yield running


def clean_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **more}


def invoke(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench.cli", "invoke", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(**environment),
        check=False,
    )


def test_the_answer_goes_to_stdout_and_the_log_to_stderr(platform: Platform) -> None:
    plain = invoke("echo", '{"n": "é"}')
    assert (plain.returncode, plain.stderr) == (0, "")
    assert json.loads(plain.stdout) == {"got": {"n": "é"}, "version": "$LATEST", "ü": 1}
    platform.client.publish_version(FunctionName="echo")
    logged = invoke("echo", "-", "--qualifier", "1", "--log", stdin='{"from": "stdin"}')
    assert json.loads(logged.stdout) == {"got": {"from": "stdin"}, "version": "1", "ü": 1}
    assert "seen {'from': 'stdin'}" in logged.stderr
    assert "REPORT RequestId: " in logged.stderr


def test_a_handler_that_raises_is_told_on_stderr_with_status_1(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{"raise": true}')
    failed = invoke("echo", f"@{tmp_path / 'event.json'}", "--log")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "workbench: KeyError: 'no such thing'" in failed.stderr
    assert "app.py" in failed.stderr
    assert "seen {'raise': True}" in failed.stderr


def test_an_event_is_accepted_and_its_id_printed(aws: Aws, platform: Platform) -> None:
    queue = aws.queue("invoked")
    success = {"OnSuccess": {"Destination": queue.arn}}
    platform.client.put_function_event_invoke_config(FunctionName="echo", DestinationConfig=success)
    accepted = invoke("echo", '{"n": 2}', "--async")
    assert accepted.returncode == 0
    (record,) = eventually(queue.bodies)
    assert record["requestContext"]["requestId"] == accepted.stdout.strip()
    assert record["requestPayload"] == {"n": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "has echo"),
        (["echo", "{n: 1}"], "The payload is not JSON"),
        (["echo", "@/nowhere.json"], "The payload's file cannot be read"),
        (["echo", "--qualifier", "77"], "has echo"),
        (["echo", "--access-key", "AKIAX"], "Give both"),
        (["echo", "--access-key", "AKIAX", "--secret-key", "wrong"], "refused the keys"),
        (["echo", "--endpoint", "http://127.0.0.1:1"], "There are no keys for http://127.0.0.1:1"),
        (["echo", "--endpoint", "http://127.0.0.1:1", "--access-key", "a", "--secret-key", "b"], "No platform answers"),
        (["echo", "--endpoint", "nonsense", "--access-key", "a", "--secret-key", "b"], "Invalid endpoint"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(platform: Platform, arguments: list[str], said: str) -> None:
    result = invoke(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_the_environment_of_every_sdk_is_understood(platform: Platform) -> None:
    ready = platform.ready
    keys = {"AWS_ACCESS_KEY_ID": ready["access_key_id"], "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"]}
    elsewhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_LAMBDA": platform.endpoint}
    assert json.loads(invoke("echo", **keys, **elsewhere).stdout)["got"] == {}
    # A platform's own keys win over others that the environment has for AWS itself.
    others = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real"}
    assert json.loads(invoke("echo", **others, AWS_ENDPOINT_URL=platform.endpoint).stdout)["got"] == {}
    assert json.loads(invoke("echo", **others).stdout)["got"] == {}


@pytest.mark.usefixtures("alone")
def test_the_place_and_keys_are_for_their_user_alone_and_go_with_the_platform(platform: Platform) -> None:
    (place,) = announcements(platform)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    with Platform() as second:
        (of_second,) = announcements(second)
        with pytest.raises(DeploymentError, match=r"Several platforms of yours run: .*, .*--endpoint"):
            invoke_job.find(environment={})
        found = invoke_job.find(second.endpoint + "/", environment={})
        assert (found.endpoint, found.secret_access_key) == (second.endpoint, second.ready["secret_access_key"])
    assert not of_second.exists()
    assert invoke_job.find(environment={}).endpoint == platform.endpoint
    with Platform() as third:
        third.stop(signal.SIGKILL)
        (of_third,) = announcements(third)  # there until somebody cleans up, and not believed
        assert invoke_job.find(environment={}).endpoint == platform.endpoint
        cleaning.clean()
        assert not of_third.exists()


def announcements(platform: Platform) -> list[Path]:
    return list((state_dir() / "sessions").glob(f"*/platform.{platform.process.pid}.json"))


def test_a_payload_is_kept_byte_for_byte() -> None:
    assert invoke_job.read_payload('{"a":  1}') == b'{"a":  1}'
    assert invoke_job.read_payload("") == b""
    with pytest.raises(PackageError, match="Quote it for the shell"):
        invoke_job.read_payload("{'a': 1}")
