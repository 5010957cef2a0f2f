"""The AWS services beside the platform, reached as AWS's are: by boto3, with one endpoint and one set of keys."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from tests.functional.events.embedded.sink import Sink, client
from tests.functional.faas.platform import Platform, alive, eventually, zipped
from tests.needs import needs
from workbench.faas.functions.function import ACCOUNT

CALLS = [
    ("apigateway", "get_rest_apis", "items"),
    ("apigatewayv2", "get_apis", "Items"),
    ("dynamodb", "list_tables", "TableNames"),
    ("dynamodbstreams", "list_streams", "Streams"),
    ("events", "list_rules", "Rules"),
    ("kinesis", "list_streams", "StreamNames"),
    ("s3", "list_buckets", "Buckets"),
    ("scheduler", "list_schedules", "Schedules"),
    ("ses", "list_identities", "Identities"),
    ("sesv2", "list_email_identities", "EmailIdentities"),
    ("sns", "list_topics", "Topics"),
]


@pytest.mark.parametrize(("service", "operation", "member"), CALLS)
def test_every_service_answers_at_the_platforms_endpoint(
    platform: Platform, service: str, operation: str, member: str
) -> None:
    assert getattr(client(platform, service), operation)()[member] == []


def test_the_account_is_that_of_functions(platform: Platform) -> None:
    assert client(platform, "sts").get_caller_identity()["Account"] == ACCOUNT
    queue = client(platform, "sqs").create_queue(QueueName="mine")["QueueUrl"]
    assert queue == f"{platform.endpoint}/{ACCOUNT}/mine"


def test_objects_go_in_and_come_out_in_every_way_boto3_has(platform: Platform) -> None:
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket="plain")
    body = os.urandom(300_000)
    s3.put_object(Bucket="plain", Key="a/b ü+c&d=e.bin", Body=body, Metadata={"sku": "A1"})
    answer = s3.get_object(Bucket="plain", Key="a/b ü+c&d=e.bin")
    assert (answer["Body"].read(), answer["Metadata"]) == (body, {"sku": "A1"})
    assert s3.head_object(Bucket="plain", Key="a/b ü+c&d=e.bin")["ContentLength"] == len(body)
    assert s3.get_object(Bucket="plain", Key="a/b ü+c&d=e.bin", Range="bytes=0-3")["Body"].read() == body[:4]
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="plain", Prefix="a/b ü")["Contents"]] == ["a/b ü+c&d=e.bin"]
    with pytest.raises(ClientError, match="Not Found"):
        s3.head_object(Bucket="plain", Key="none")


def test_a_body_in_chunks_arrives_whole(platform: Platform) -> None:
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket="chunked")
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": "5",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    request = AWSRequest("PUT", platform.endpoint + "/chunked/k", headers=headers, data=body)
    ready = platform.ready
    auth = S3SigV4Auth(Credentials(ready["access_key_id"], ready["secret_access_key"]), "s3", ready["region"])
    auth.payload = lambda _: headers["X-Amz-Content-SHA256"]
    auth.add_auth(request)
    assert URLLib3Session().send(request.prepare()).status_code == 200
    assert s3.get_object(Bucket="chunked", Key="k")["Body"].read() == b"hello"


@pytest.mark.parametrize("version", [{}, {"signature_version": "s3v4"}])  # boto3 makes older ones by default
def test_presigned_urls_open_what_they_name(platform: Platform, version: dict[str, str]) -> None:
    s3 = client(platform, "s3", **version)
    s3.create_bucket(Bucket="signed")
    where = {"Bucket": "signed", "Key": "a b"}
    body = os.urandom(200_000)
    put = AWSRequest("PUT", s3.generate_presigned_url("put_object", Params=where), data=body)
    assert URLLib3Session().send(put.prepare()).status_code == 200
    url = s3.generate_presigned_url("get_object", Params=where)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == body
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("a%20b", "other"))


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sns", "list_topics", "InvalidSignatureException"),
        ("sqs", "list_queues", "InvalidSignatureException"),
    ],
)
def test_a_wrong_secret_is_refused_in_the_services_own_form(
    platform: Platform, service: str, operation: str, code: str
) -> None:
    wrong = client(platform, service)
    wrong._request_signer._credentials.secret_key = "another"
    with pytest.raises(ClientError, match="does not match the signature") as caught:
        getattr(wrong, operation)()
    assert caught.value.response["Error"]["Code"] == code


def test_nothing_answers_without_a_signature_nor_what_lies_inside(platform: Platform) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(platform.endpoint + "/plain/key")
    with pytest.raises(ClientError, match="404"):
        client(platform, "s3").head_object(Bucket="moto-api", Key="reset")
    with pytest.raises(ClientError, match="iam is not among the services of this platform"):
        client(platform, "iam").list_users()


def test_the_process_listens_for_this_user_alone(platform: Platform) -> None:
    (inside,) = _inside(platform)
    assert not [c for c in inside.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    directory = Path(inside.cmdline()[-1])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_queues_and_streams_beside_the_platform_are_read(platform: Platform, sink: Sink) -> None:
    sqs, kinesis, tables = (client(platform, service) for service in ("sqs", "kinesis", "dynamodb"))
    url = sqs.create_queue(QueueName="read")["QueueUrl"]
    kinesis.create_stream(StreamName="read", ShardCount=1)
    table = tables.create_table(
        TableName="read",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    of = f"us-east-1:{ACCOUNT}"
    for arn in (f"arn:aws:sqs:{of}:read", f"arn:aws:kinesis:{of}:stream/read", table["LatestStreamArn"]):
        start = {} if ":sqs:" in arn else {"StartingPosition": "TRIM_HORIZON"}
        platform.client.create_event_source_mapping(FunctionName=sink.name, EventSourceArn=arn, **start)
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    kinesis.put_record(StreamName="read", Data=b"x", PartitionKey="a")
    tables.put_item(TableName="read", Item={"k": {"S": "1"}})
    read = sorted(event["Records"][0]["eventSource"] for event in sink.events(3))
    assert read == ["aws:dynamodb", "aws:kinesis", "aws:sqs"]


@needs("namespaces")
def test_a_boxed_function_reaches_them_with_plain_boto3() -> None:
    code = zipped(app="import boto3\n\ndef handler(event, _):\n    boto3.client('s3').put_object(**event)\n")
    with Platform("--aws", isolation="namespaces") as boxed:
        s3 = client(boxed, "s3")
        s3.create_bucket(Bucket="from-inside")
        boxed.value(boxed.create(code), {"Bucket": "from-inside", "Key": "k", "Body": "hello"})
        assert s3.get_object(Bucket="from-inside", Key="k")["Body"].read() == b"hello"


def test_all_of_it_ends_with_a_platform_that_is_killed() -> None:
    with Platform("--aws") as doomed:
        (inside,) = _inside(doomed)
        directory = Path(inside.cmdline()[-1])
        assert directory.is_dir()
        doomed.process.kill()
        doomed.process.wait()
        eventually(lambda: not alive(inside.pid))
        eventually(lambda: not directory.exists())


def test_when_the_services_end_by_themselves_requests_say_so() -> None:
    with Platform("--aws") as left:
        (inside,) = _inside(left)
        client(left, "s3").list_buckets()
        inside.kill()
        eventually(lambda: not alive(inside.pid))
        with pytest.raises(ClientError, match="Start the platform anew"):
            client(left, "s3").list_buckets()


def test_without_them_the_answer_says_how_to_get_them() -> None:
    with Platform() as plain, pytest.raises(ClientError, match="Start it with `workbench serve --aws`") as caught:
        client(plain, "s3").list_buckets()
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_one_of_two_kinds_of_services() -> None:
    command = [sys.executable, "-m", "workbench.cli", "serve", "--aws", "--aws-endpoint", "http://127.0.0.1:9"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "give one of them" in ended.stderr


def _inside(platform: Platform) -> list[Any]:
    children = psutil.Process(platform.process.pid).children()
    return [child for child in children if "workbench.events.embedded.inside" in child.cmdline()]


def test_an_http_api_is_created_quickly_with_its_route_and_stage(platform: Platform) -> None:
    gateway = client(platform, "apigatewayv2")
    target = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:none"
    made = gateway.create_api(Name="quick", ProtocolType="HTTP", Target=target, RouteKey="GET /orders/{order}")
    (route,) = gateway.get_routes(ApiId=made["ApiId"])["Items"]
    assert route["RouteKey"] == "GET /orders/{order}"
    assert [stage["StageName"] for stage in gateway.get_stages(ApiId=made["ApiId"])["Items"]] == ["$default"]
    gateway.delete_api(ApiId=made["ApiId"])
