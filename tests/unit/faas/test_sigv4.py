from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from workbench.faas.aws_errors import AwsError
from workbench.faas.credentials import Key, Keyring
from workbench.faas.sigv4 import SignedRequest, Verifier, signed_headers

HOST = "http://127.0.0.1:9"


def signed(
    method: str = "POST",
    path: str = "/2015-03-31/functions/f/invocations",
    body: bytes = b"{}",
    params: dict[str, str] | None = None,
    key: str = "AK",
    secret: str = "SK",
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> SignedRequest:
    request = AWSRequest(method, HOST + path, headers=headers or {}, data=body, params=params or {})
    SigV4Auth(Credentials(key, secret, token), "lambda", "us-east-1").add_auth(request)
    prepared = request.prepare()
    found: CIMultiDict[str] = CIMultiDict({"Host": "127.0.0.1:9"})
    for name, value in prepared.headers.items():
        found[name] = value.decode() if isinstance(value, bytes) else value
    raw = tuple((k.encode(), v.encode()) for k, v in found.items())
    return SignedRequest(method, prepared.url[len(HOST) :], found, raw, body)


def ours(keys: Keyring | None = None) -> Verifier:
    return Verifier(keys or Keyring("AK", "SK"), "us-east-1")


def code(request: SignedRequest, now: float | None = None, verifier: Verifier | None = None) -> str:
    try:
        (verifier or ours()).verify(request, time.time() if now is None else now)
    except AwsError as error:
        return error.code
    return "ok"


def changed(request: SignedRequest, **values: Any) -> SignedRequest:
    fields = {n: getattr(request, n) for n in SignedRequest.__slots__}
    return SignedRequest(**{**fields, **values})


@given(
    st.text(min_size=1, max_size=20).filter(lambda s: s not in (".", "..")),
    st.dictionaries(st.text("aZ0 +/=&é~*-", min_size=1, max_size=6), st.text("aZ0 +/=&é~*-", max_size=6), max_size=3),
    st.binary(max_size=50),
)
def test_what_botocore_signs_is_taken(name: str, params: dict[str, str], body: bytes) -> None:
    path = f"/2015-03-31/functions/{quote(name, safe='')}"
    assert code(signed(path=path, params=params, body=body)) == "ok"


def test_headers_beyond_the_usual_are_covered() -> None:
    request = signed(headers={"X-Amz-Log-Type": "Tail", "Content-Type": "application/json"})
    assert code(request) == "ok"
    headers = CIMultiDict(request.headers)
    headers["X-Amz-Log-Type"] = "None"
    raw = tuple((k.encode(), v.encode()) for k, v in headers.items())
    assert code(changed(request, headers=headers, raw_headers=raw)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/2015-03-31/functions/g/invocations"},
        {"target": "/2015-03-31/functions/f/invocations?Qualifier=1"},
        {"body": b"{ }"},
    ],
)
def test_a_changed_request_is_refused(change: dict[str, Any]) -> None:
    verifier = ours()
    request = signed()
    assert code(request, verifier=verifier) == "ok"
    assert code(changed(request, **change), verifier=verifier) == "InvalidSignatureException"


def test_keys() -> None:
    assert code(signed(key="other")) == "UnrecognizedClientException"
    assert code(signed(secret="other")) == "InvalidSignatureException"


def test_an_instances_key_needs_its_token_and_ends_with_it() -> None:
    keys = Keyring("AK", "SK")
    key = keys.issue("faas-1")
    verifier = ours(keys)
    request = signed(key=key.access_key, secret=key.secret, token=key.session_token)
    assert verifier.verify(request, time.time()) is key
    for token in (None, "", "another"):
        assert code(signed(key=key.access_key, secret=key.secret, token=token), verifier=verifier) == (
            "UnrecognizedClientException"
        )
    assert code(request, verifier=verifier) == "ok"
    keys.revoke("faas-1")
    assert code(request, verifier=verifier) == "UnrecognizedClientException", "though it was verified before"


def test_a_request_names_a_key_whatever_its_signature_is() -> None:
    assert ours().names_a_key(signed())
    assert ours().names_a_key(signed(secret="other"))
    assert not ours().names_a_key(signed(key="other"))
    assert not ours().names_a_key(signed(token="other"))
    assert not ours().names_a_key(changed(signed(), headers={}))


@pytest.mark.parametrize("path", ["/a//b/./c/../d", "/a%2Fb/c%20d", "/~x/y:z/@", "/2015-03-31/functions/arn:aws:x"])
def test_paths_are_signed_as_botocore_normalises_them(path: str) -> None:
    assert code(signed(path=path)) == "ok"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_holds_for_five_minutes_also_when_it_was_verified_before(minutes: int) -> None:
    verifier = ours()
    request, now = signed(), time.time()
    assert code(request, now, verifier) == "ok"
    assert code(request, now + 60 * minutes, verifier) == "InvalidSignatureException"
    assert code(request, now + 60 * minutes) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("", "MissingAuthenticationTokenException"),
        ("Bearer x", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=AK", "IncompleteSignatureException"),
    ],
)
def test_an_authorization_that_is_none(authorization: str | None, expected: str) -> None:
    request = signed()
    headers = CIMultiDict(request.headers)
    del headers["Authorization"]
    if authorization is not None:
        headers["Authorization"] = authorization
    raw = tuple((k.encode(), v.encode()) for k, v in headers.items())
    assert code(changed(request, headers=headers, raw_headers=raw)) == expected


def test_the_date_is_needed() -> None:
    request = signed()
    headers = CIMultiDict(request.headers)
    headers["X-Amz-Date"] = datetime.now(UTC).isoformat()
    assert code(changed(request, headers=headers, raw_headers=())) == "IncompleteSignatureException"


def test_a_declared_body_digest_must_be_the_bodys() -> None:
    assert code(signed(headers={"X-Amz-Content-SHA256": "0" * 64})) == "InvalidSignatureException"


def test_a_request_signed_here_without_its_body_is_taken_whatever_the_body_is() -> None:
    key = Key("AK", "SK")
    target = "/2015-03-31/functions/f%3A1/invocations?a=1"
    headers = CIMultiDict(signed_headers("POST", HOST + target, key, "us-east-1", 0))
    headers["Host"] = "127.0.0.1:9"
    raw = tuple((k.encode(), v.encode()) for k, v in headers.items())
    for body in (b"", b"{}", b"other"):
        assert code(SignedRequest("POST", target, headers, raw, body), now=299) == "ok"
    assert code(SignedRequest("POST", target, headers, raw, b""), now=301) == "InvalidSignatureException"
    assert code(SignedRequest("POST", target + "&b", headers, raw, b""), now=0) == "InvalidSignatureException"
    assert code(SignedRequest("GET", target, headers, raw, b""), now=0) == "InvalidSignatureException"
