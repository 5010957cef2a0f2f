"""Thousands of requests with something wrong in them: each is answered in AWS's words, and none by an internal error.

The number of requests is WORKBENCH_MALFORMED (default 2,000) and the seed WORKBENCH_SEED (default: drawn anew).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from tests.functional.faas.malformed import Maker, Request
from tests.functional.faas.platform import CODE, Platform, zipped

COUNT = int(os.environ.get("WORKBENCH_MALFORMED", "2000"))
MOST_S = 300.0  # where the machine is slower than that, fewer requests are made


@pytest.mark.timeout(2 * MOST_S)
def test_no_request_ends_in_an_internal_error(tmp_path: Path) -> None:
    seed = int(os.environ.get("WORKBENCH_SEED", random.randrange(10**9)))
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr, Platform(stderr=stderr) as platform:
        ask = Asker(platform)
        deadline = time.monotonic() + MOST_S
        statuses: Counter[tuple[str, int]] = Counter()
        for number, request in enumerate(Maker(seed, known(platform)).requests(COUNT)):
            if time.monotonic() > deadline:
                break
            if number % 300 == 0:
                known(platform)  # some requests are right, and delete it
            answer = ask(request)
            said = (
                f"seed {seed}, request {number}: {request} was answered {answer.status_code} {answer.content[:400]!r}"
            )
            assert answer.status_code < 500 or answer.status_code == 501, said
            if answer.status_code >= 400:
                assert answer.headers.get("x-amzn-errortype"), said
                body = json.loads(answer.content)
                assert body.get("message") or body.get("Message"), said
            statuses[request.operation, answer.status_code // 100] += 1
        assert platform.process.poll() is None
        assert platform.raw("GET", "/_workbench/health", signed=False).status_code == 200
    assert "Traceback" not in errors.read_text("utf-8", "replace")
    assert len({operation for operation, _ in statuses}) > 80, "every operation had its turn"
    assert sum(count for (_, status), count in statuses.items() if status == 2) > len(statuses) // 10, "some are right"


class Asker:
    """Signs and sends over one connection."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._session = URLLib3Session()
        keys = Credentials(platform.ready["access_key_id"], platform.ready["secret_access_key"])
        self._auth = SigV4Auth(keys, "lambda", platform.ready["region"])

    def __call__(self, request: Request) -> Any:
        made = AWSRequest(
            request.method, self._platform.endpoint + request.path, headers=request.headers, data=request.body
        )
        self._auth.add_auth(made)
        return self._session.send(made.prepare())


def known(platform: Platform) -> dict[str, list[str]]:
    """Have a function with a version and an alias and a layer, and say by which names they are found."""
    client = platform.client
    try:
        client.create_function(
            FunctionName="victim",
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/test",
            Handler="app.handler",
            Code={"ZipFile": CODE},
            Publish=True,
        )
        client.create_alias(FunctionName="victim", Name="live", FunctionVersion="$LATEST")
    except (client.exceptions.ResourceConflictException, client.exceptions.ResourceNotFoundException):
        pass
    layer = client.publish_layer_version(LayerName="layer", Content={"ZipFile": zipped(a="")})
    arn = "arn:aws:lambda:us-east-1:000000000000:function:victim"
    return {
        "FunctionName": ["victim", "victim:live", arn, f"{arn}:1", "victim:$LATEST", "absent"],
        "Qualifier": ["1", "live", "$LATEST", "2"],
        "Name": ["live", "new"],
        "FunctionVersion": ["1", "$LATEST", "ALL"],
        "LayerName": ["layer", layer["LayerArn"]],
        "VersionNumber": ["1", "2", "99"],
        "Arn": [layer["LayerVersionArn"]],
        "Resource": [arn, f"{arn}:1"],
        "ZipFile": ["", "UEsDBA==", "%%%", "bm8gemlw"],
        "Runtime": ["python3.11", "nodejs4.3", "java8", "provided.al2"],
        "Role": ["arn:aws:iam::000000000000:role/test"],
        "RevisionId": ["no"],
        "StatementId": ["s"],
        "Principal": ["*", "000000000000"],
    }
