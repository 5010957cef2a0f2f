"""Signatures for other services than Lambda, as botocore makes them: headers, bodies that are not signed, URLs."""

from __future__ import annotations

import functools
import time
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.faas.aws_errors import AwsError
from workbench.faas.claims import SignedRequest, claim_of
from workbench.faas.credentials import Keyring
from workbench.faas.http_wire import Headers
from workbench.faas.sigv4 import SignedForAnother, Verifier

HOST = "http://127.0.0.1:9"
SEGMENTS = st.text("aZ0 +/=&é~*-_.", min_size=1, max_size=12)


def arrived(method: str, url: str, headers: dict[str, Any], body: bytes = b"") -> SignedRequest:
    raw = tuple(
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in {"Host": "127.0.0.1:9", **headers}.items()
    )
    return SignedRequest(method, url[len(HOST) :], Headers(list(raw)), raw, body)


def signed(service: str, path: str, body: bytes = b"", method: str = "PUT", **headers: str) -> SignedRequest:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, HOST + path, headers=given_headers, data=body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(Credentials("AK", "SK"), service, "us-east-1").add_auth(request)
    return arrived(method, HOST + path, dict(request.headers), body)


@functools.cache
def client(version: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=HOST,
        region_name="us-east-1",
        aws_access_key_id="AK",
        aws_secret_access_key="SK",
        config=Config(signature_version=version),
    )


def presigned(version: str, operation: str = "get_object", key: str = "a b", expires: int = 60, **more: Any) -> str:
    values = {"Bucket": "bucket", "Key": key, **more}
    url: str = client(version).generate_presigned_url(operation, Params=values, ExpiresIn=expires)
    return url


def verdict(request: SignedRequest, later_s: float = 0.0) -> str:
    verifier = Verifier(Keyring("AK", "SK"), "us-east-1")
    try:
        verifier.verify_claim(claim_of(request), request, time.time() + later_s)
    except AwsError as error:
        return error.code
    return "ok"


@settings(max_examples=25, deadline=None)
@given(SEGMENTS.filter(lambda s: not {".", ".."} & set(s.split("/"))), st.binary(max_size=20))
def test_s3_signs_the_path_as_it_is_on_the_wire(key: str, body: bytes) -> None:
    assert verdict(signed("s3", f"/bucket/{quote(key)}", body)) == "ok"


@pytest.mark.parametrize("service", ["sqs", "dynamodb", "events", "apigateway"])
def test_every_service_is_verified_under_its_own_name(service: str) -> None:
    request = signed(service, "/a%20b", b"{}", "POST")
    assert verdict(request) == "ok"
    claimed = Headers(list(request.raw_headers))
    claimed["authorization"] = claimed["authorization"].replace(f"/{service}/", "/sns/")
    assert verdict(SignedRequest("POST", "/a%20b", claimed, (), b"{}")) == "InvalidSignatureException"


def test_verify_itself_says_whose_request_it_is_and_takes_none() -> None:
    with pytest.raises(SignedForAnother) as caught:
        Verifier(Keyring("AK", "SK"), "us-east-1").verify(signed("s3", "/"), time.time())
    assert caught.value.claim.service == "s3"


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_body_of_s3_need_not_be_signed(declared: str) -> None:
    request = AWSRequest("PUT", HOST + "/bucket/key", headers={"X-Amz-Content-SHA256": declared}, data=b"")
    auth = S3SigV4Auth(Credentials("AK", "SK"), "s3", "us-east-1")
    auth.payload = lambda _: declared
    auth.add_auth(request)
    assert verdict(arrived("PUT", HOST + "/bucket/key", dict(request.headers), b"whatever")) == "ok"


def test_a_body_that_was_changed_on_the_way_is_not_taken() -> None:
    request = signed("s3", "/bucket/key", b"mine")
    changed = SignedRequest("PUT", request.target, request.headers, request.raw_headers, b"theirs")
    assert verdict(changed) == "InvalidSignatureException"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@settings(max_examples=10, deadline=None)
@given(key=SEGMENTS.filter(lambda s: not {".", ".."} & set(s.split("/"))))
def test_presigned_urls_of_both_versions_are_taken(version: str, key: str) -> None:
    url = presigned(version, key=key, ResponseContentType="text/x y", VersionId="v1")
    assert verdict(arrived("GET", url, {})) == "ok"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_holds_for_its_method_its_object_and_its_time_alone(version: str) -> None:
    url = presigned(version)
    assert verdict(arrived("PUT", url, {}, b"x")) == "InvalidSignatureException"
    assert verdict(arrived("GET", url.replace("/a%20b", "/other"), {})) == "InvalidSignatureException"
    assert verdict(arrived("GET", url, {}), later_s=61) == "InvalidSignatureException"
    assert verdict(arrived("GET", url, {}), later_s=50) == "ok"
    assert verdict(arrived("PUT", presigned(version, "put_object"), {}, b"any body")) == "ok"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=0",
        "X-Amz-Credential=AK/20260101/us-east-1/s3/aws4_request&X-Amz-Expires=604801&X-Amz-Signature=0",
        "AWSAccessKeyId=AK&Signature=x&Expires=soon",
    ],
)
def test_half_a_presigned_url_is_none(query: str) -> None:
    assert verdict(arrived("GET", f"{HOST}/bucket/key?{query}", {})) == "IncompleteSignatureException"
