"""Code that is in S3: a real moto server beside the platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import ROLE, Platform, zipped

BUCKET = "code"


def answering(text: str) -> bytes:
    return zipped(app=f"def handler(event, context):\n    return {text!r}\n")


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, Platform]]:
    """A client of S3 with a bucket of versioned objects, and a platform that reaches it."""
    with Aws() as aws:
        client = aws.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        with Platform("--aws-endpoint", aws.endpoint) as platform:
            yield client, platform


def create(platform: Platform, name: str, **code: str) -> Any:
    return platform.client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", MemorySize=512, Code=code
    )


def test_a_function_comes_from_s3(s3: tuple[Any, Platform]) -> None:
    client, platform = s3
    first = client.put_object(Bucket=BUCKET, Key="app.zip", Body=answering("first"))["VersionId"]
    client.put_object(Bucket=BUCKET, Key="app.zip", Body=answering("second"))
    create(platform, "from-s3", S3Bucket=BUCKET, S3Key="app.zip", S3ObjectVersion=first)
    assert platform.value("from-s3") == "first"
    platform.client.update_function_code(FunctionName="from-s3", S3Bucket=BUCKET, S3Key="app.zip")
    assert platform.value("from-s3") == "second"


def test_a_layer_comes_from_s3(s3: tuple[Any, Platform]) -> None:
    client, platform = s3
    client.put_object(Bucket=BUCKET, Key="layer.zip", Body=zipped(**{"python/inside": "X = 7"}))
    content = {"S3Bucket": BUCKET, "S3Key": "layer.zip"}
    layer = platform.client.publish_layer_version(LayerName="l", Content=content)["LayerVersionArn"]
    code = zipped(app="import inside\ndef handler(event, context):\n    return inside.X\n")
    assert platform.value(platform.create(code, Layers=[layer])) == 7


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ({"S3Bucket": BUCKET, "S3Key": "absent"}, "Error occurred while GetObject. S3 Error Code: NoSuchKey."),
        ({"S3Bucket": "nobodys", "S3Key": "a"}, "Error occurred while GetObject. S3 Error Code: NoSuchBucket."),
        ({"S3Bucket": BUCKET, "S3Key": "text"}, "Could not unzip uploaded file."),
        ({"S3Bucket": BUCKET}, "S3Bucket and S3Key must both be given"),
        ({"S3Bucket": BUCKET, "S3Key": "a", "ZipFile": b"x"}, "Please do not provide other FunctionCode parameters"),
        ({}, "Please provide a source for function code"),
    ],
)
def test_what_cannot_be_read_is_refused(s3: tuple[Any, Platform], code: dict[str, str], text: str) -> None:
    client, platform = s3
    client.put_object(Bucket=BUCKET, Key="text", Body=b"no zip")
    with pytest.raises(ClientError) as caught:
        create(platform, "refused", **code)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"].startswith(text)


def test_without_an_endpoint_the_way_to_one_is_said(platform: Platform) -> None:
    with pytest.raises(ClientError, match=r"workbench serve --aws`.*--aws-endpoint URL.*ZipFile"):
        create(platform, "refused", S3Bucket=BUCKET, S3Key="app.zip")


def test_an_endpoint_that_is_not_there_is_said() -> None:
    with (
        Platform("--aws-endpoint", "http://127.0.0.1:9") as platform,
        pytest.raises(ClientError, match=r"could not be read from S3\. .*127\.0\.0\.1:9") as caught,
    ):
        create(platform, "refused", S3Bucket=BUCKET, S3Key="app.zip")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
