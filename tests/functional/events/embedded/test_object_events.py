"""What happens to objects invokes functions: as S3 words it, and on disk before the put is confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from aws_lambda_powertools.utilities.parser.models import S3Model
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from tests.functional.events.embedded.sink import Sink, client
from tests.functional.faas.platform import Platform, eventually
from workbench.faas.functions.function import ACCOUNT


@pytest.fixture
def s3(platform: Platform) -> Any:
    return client(platform, "s3")


@pytest.fixture
def bucket(s3: Any, sink: Sink) -> Iterator[str]:
    """A bucket that tells the sink of all that is created in it or removed."""
    name = f"of-{sink.name}"
    s3.create_bucket(Bucket=name)
    tell(s3, name, sink.arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    return name


def tell(s3: Any, bucket: str, arn: str, *events: str, **rules: str) -> None:
    wanted: dict[str, Any] = {"LambdaFunctionArn": arn, "Events": list(events), "Id": "mine"}
    if rules:
        rows = [{"Name": name, "Value": value} for name, value in rules.items()]
        wanted["Filter"] = {"Key": {"FilterRules": rows}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
    )


def in_parts(s3: Any, bucket: str, key: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )


def said(event: dict[str, Any]) -> tuple[str, str]:
    record = event["Records"][0]
    return record["eventName"], record["s3"]["object"]["key"]


def test_the_event_has_the_shape_of_s3s(platform: Platform, s3: Any, sink: Sink, bucket: str) -> None:
    answer = s3.put_object(Bucket=bucket, Key="Happy Face/ü+.jpg", Body=b"12345")
    (event,) = sink.events(1)
    S3Model.model_validate(event)
    record = event["Records"][0]
    about = record["s3"]["object"]
    assert record["eventVersion"] == "2.1"
    assert record["userIdentity"] == {"principalId": f"AWS:{platform.ready['access_key_id']}"}
    assert record["responseElements"]["x-amz-request-id"] == answer["ResponseMetadata"]["RequestId"]
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["bucket"] == {
        "name": bucket,
        "ownerIdentity": {"principalId": ACCOUNT},
        "arn": f"arn:aws:s3:::{bucket}",
    }
    assert about == {
        "key": "Happy+Face/%C3%BC%2B.jpg",
        "size": 5,
        "eTag": answer["ETag"].strip('"'),
        "sequencer": about["sequencer"],
    }


def test_every_way_to_create_and_to_remove_has_its_name(s3: Any, sink: Sink, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    in_parts(s3, bucket, "c")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_object(Bucket=bucket, Key="never there")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}, {"Key": "c"}]})
    assert sorted(said(event) for event in sink.events(6)) == [
        ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectCreated:Copy", "b"),
        ("ObjectCreated:Put", "a"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectRemoved:Delete", "b"),
        ("ObjectRemoved:Delete", "c"),
    ]
    removed = [e["Records"][0]["s3"]["object"] for e in sink.events(6) if "Removed" in said(e)[0]]
    assert {tuple(about) for about in removed} == {("key", "sequencer")}


def test_a_form_that_a_browser_posts_is_a_post(s3: Any, sink: Sink, bucket: str) -> None:
    form = s3.generate_presigned_post(bucket, "in/${filename}")
    parts = [*form["fields"].items(), ("file", "hello")]
    head = "--B\r\nContent-Disposition: form-data; name="
    body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in parts) + "--B--\r\n"
    body = body.replace('name="file"', 'name="file"; filename="a.txt"')
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = URLLib3Session().send(AWSRequest("POST", form["url"], headers, data=body.encode()).prepare())
    assert answer.status_code == 204, answer.text
    assert [said(event) for event in sink.events(1)] == [("ObjectCreated:Post", "in/a.txt")]
    assert s3.get_object(Bucket=bucket, Key="in/a.txt")["Body"].read() == b"hello"
    other = body.replace("in/${filename}", "out/a").encode()
    refused = URLLib3Session().send(AWSRequest("POST", form["url"], headers, data=other).prepare())
    assert refused.status_code == 403
    assert "Policy Condition failed" in refused.text


def test_versions_are_named_and_a_marker_is_no_removal(s3: Any, sink: Sink, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=put)
    found = sorted((said(e)[0], e["Records"][0]["s3"]["object"]["versionId"]) for e in sink.events(3))
    assert found == [
        ("ObjectCreated:Put", put),
        ("ObjectRemoved:Delete", put),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
    ]


def test_sequencers_of_one_object_grow(s3: Any, sink: Sink, bucket: str) -> None:
    for n in range(5):
        s3.put_object(Bucket=bucket, Key="same", Body=b"x" * (n + 1))
    records = [event["Records"][0]["s3"]["object"] for event in sink.events(5)]
    assert [r["size"] for r in sorted(records, key=lambda r: int(r["sequencer"], 16))] == [1, 2, 3, 4, 5]


def test_tags_are_told_when_they_are_put_and_not_with_their_object(s3: Any, sink: Sink, bucket: str) -> None:
    tell(s3, bucket, sink.arn, "s3:ObjectTagging:*", "s3:ObjectAcl:Put")
    s3.put_object(Bucket=bucket, Key="a", Body=b"", Tagging="sku=A1", ACL="public-read")
    in_parts(s3, bucket, "b")
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "sku", "Value": "A2"}]})
    s3.put_object_acl(Bucket=bucket, Key="a", ACL="private")
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    names = sorted(said(event)[0] for event in sink.events(3))
    assert names == ["ObjectAcl:Put", "ObjectTagging:Delete", "ObjectTagging:Put"]


def test_prefix_and_suffix_choose(s3: Any, sink: Sink, bucket: str) -> None:
    tell(s3, bucket, sink.arn, "s3:ObjectCreated:Put", prefix="in/", suffix=".jpg")
    for key in ("in/a.png", "out/a.jpg", "in/b.jpg", "in/last.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    s3.copy_object(Bucket=bucket, Key="in/copy.jpg", CopySource={"Bucket": bucket, "Key": "in/b.jpg"})
    s3.put_object(Bucket=bucket, Key="in/end.jpg", Body=b"")
    assert sorted(said(event)[1] for event in sink.events(3)) == ["in/b.jpg", "in/end.jpg", "in/last.jpg"]


def test_an_unknown_function_is_refused_and_the_old_configuration_stays(s3: Any, sink: Sink, bucket: str) -> None:
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations") as caught:
        tell(s3, bucket, sink.arn + "-gone", "s3:ObjectCreated:*")
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"
    kept = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert [each["LambdaFunctionArn"] for each in kept] == [sink.arn]


def test_an_object_is_followed_to_its_result_by_its_id(platform: Platform, s3: Any, sink: Sink, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="traced", Body=b"")
    (accepted,) = [s for s in steps(platform, bucket) if s["what"] == "accepted"]  # told before the put returned
    ended = eventually(lambda: [s for s in steps(platform, bucket) if s["what"] == "answered"])
    (line,) = sink.lines()
    about = line["event"]["Records"][0]["s3"]["object"]
    assert accepted["events"] == ended[0]["events"] == [f"traced:{about['sequencer']}"]
    assert accepted["request"] == ended[0]["request"] == line["request"]
    assert ended[0]["instance"] in {i["instance_id"] for i in platform.instances(sink.name)}


def test_what_a_handler_fails_is_told_with_each_try(platform: Platform, s3: Any, sink: Sink, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="fail", Body=b"")
    failed = eventually(lambda: [s for s in steps(platform, bucket) if s["what"] == "failed"][2:])
    assert {step["detail"] for step in failed} == {"Unhandled"}
    (dropped,) = eventually(lambda: [s for s in steps(platform, bucket) if s["what"] == "dropped"])
    assert (dropped["events"], dropped["detail"]) == (failed[0]["events"], "RetriesExhausted")
    assert len(sink.lines()) == 3


def test_a_function_that_is_gone_gets_no_more_and_that_is_told(
    platform: Platform, s3: Any, sink: Sink, bucket: str
) -> None:
    platform.delete(sink.name)
    s3.put_object(Bucket=bucket, Key="late", Body=b"")
    (dropped,) = steps(platform, bucket)
    assert (dropped["what"], dropped["detail"]) == ("dropped", "ResourceNotFoundException")


def steps(platform: Platform, bucket: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.ask("GET", "flow?source=" + quote(f"arn:aws:s3:::{bucket}", safe=""))[
        "steps"
    ]
    return found
