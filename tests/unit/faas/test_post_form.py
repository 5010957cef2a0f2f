"""Forms that botocore signs for browsers, and what their policies allow."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from workbench.faas.aws_errors import AwsError
from workbench.faas.claims import SignedRequest, claim_of
from workbench.faas.credentials import Keyring
from workbench.faas.http_wire import Headers
from workbench.faas.post_form import fields_of
from workbench.faas.sigv4 import Verifier

BODY = b"\x00the file's --bytes\r\n"
VERSIONS = pytest.mark.parametrize("version", ["s3", "s3v4"])


def form(version: str, key: str = "in/${filename}", **more: Any) -> dict[str, str]:
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="AK",
        aws_secret_access_key="SK",
        config=Config(signature_version=version),
    )
    fields: dict[str, str] = client.generate_presigned_post("bucket", key, **more)["fields"]
    return fields


def posted(fields: dict[str, str], path: str = "/bucket", body: bytes = BODY) -> SignedRequest:
    parts = [f'--B\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    file = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + body + b"\r\n--B--\r\n"
    raw = ((b"Host", b"127.0.0.1:9"), (b"Content-Type", b"multipart/form-data; boundary=B"))
    return SignedRequest("POST", path, Headers(list(raw)), raw, b"".join(parts) + file)


def verdict(request: SignedRequest, later_s: float = 0.0) -> str:
    try:
        Verifier(Keyring("AK", "SK"), "us-east-1").verify_claim(claim_of(request), request, time.time() + later_s)
    except AwsError as error:
        return error.code if error.code != "AccessDeniedException" else error.message
    return "ok"


def test_fields_end_at_the_file() -> None:
    request = posted({"Key": "k", "x-amz-meta-a": "1"})
    late = request.body.replace(b"--B--", b'--B\r\nContent-Disposition: form-data; name="late"\r\n\r\n1\r\n--B--')
    assert fields_of("multipart/form-data; boundary=B", late) == {
        "key": "k",
        "x-amz-meta-a": "1",
        "file": str(len(BODY)),
    }


@VERSIONS
def test_what_botocore_signs_is_taken_until_it_expires(version: str) -> None:
    fields = form(version, ExpiresIn=60)
    assert verdict(posted(fields)) == "ok"
    assert "Policy expired" in verdict(posted(fields), later_s=61)


@VERSIONS
def test_the_policy_holds(version: str) -> None:
    fields = form(version, key="k", Conditions=[["content-length-range", 1, len(BODY)]])
    assert verdict(posted(fields)) == "ok"
    assert "content-length-range" in verdict(posted(fields, body=BODY + b"x"))
    assert '"eq", "$key"' in verdict(posted({**fields, "key": "other"}))
    assert '"eq", "$bucket"' in verdict(posted(fields, path="/other"))
    assert "Extra input fields: acl" in verdict(posted({**fields, "acl": "public-read"}))
    start = form(version, key="in/${filename}")
    assert "starts-with" in verdict(posted({**start, "key": "out/a"}))


@VERSIONS
def test_another_policy_than_the_signed_one_is_not_taken(version: str) -> None:
    fields, wider = form(version, key="k"), form(version, key="any")
    assert verdict(posted({**fields, "policy": wider["policy"]})) == "InvalidSignatureException"


@pytest.mark.parametrize("fields", [{}, {"key": "k"}, {"policy": "e30="}, {"policy": "e30=", "x-amz-credential": "x"}])
def test_a_form_without_a_signature_is_none(fields: dict[str, str]) -> None:
    assert verdict(posted(fields)) == "IncompleteSignatureException"
