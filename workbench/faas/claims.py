"""What a request says of its signature: in a header (Signature Version 4), as a presigned URL, or in a posted form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from workbench.faas.aws_errors import AwsError
from workbench.faas.post_form import FORM, fields_of

LONGEST_S = 604_800
_CREDENTIAL = r"(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request"
_IN_QUERY = re.compile(_CREDENTIAL)
_AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256\s+Credential={_CREDENTIAL},"
    r"\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


class Signed(Protocol):
    """What of a request a signature covers; `target` is its still encoded path with query."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request of another HTTP server's, as `Signed` has it."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature; `expires_s` is a presigned URL's, 0 when the signature is in a header."""

    access_key: str
    token: str
    date: str
    region: str
    service: str
    stamp: str
    signed: tuple[str, ...]  # names of headers, in order
    signature: str
    expires_s: int = 0
    old: bool = False  # of version 2, as S3 takes it in a query: `stamp` is when it expires, date and region are empty
    form: Mapping[str, str] | None = None  # a posted form's fields; its policy is what is signed


def claim_of(request: Signed) -> Claim:
    """The claim of a request; raises AwsError when it has none, or one that is no Signature Version 4."""
    authorization = request.headers.get("Authorization")
    if not authorization:
        if "X-Amz-Signature=" in request.target:
            return _in_query(request)
        if "Signature=" in request.target and "AWSAccessKeyId=" in request.target:
            return _in_old_query(request)
        if request.method == "POST" and (request.headers.get("Content-Type") or "").startswith(FORM):
            return _in_form(request)
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        raise AwsError(
            "IncompleteSignatureException",
            "The Authorization header is not that of Signature Version 4 "
            "(Credential=..., SignedHeaders=..., Signature=...).",
        )
    return Claim(
        match["key"],
        request.headers.get("X-Amz-Security-Token") or "",
        match["date"],
        match["region"],
        match["service"],
        request.headers.get("X-Amz-Date") or "",
        tuple(sorted(set(match["signed"].lower().split(";")))),
        match["signature"],
    )


def _in_query(request: Signed) -> Claim:
    given = dict(parse_qsl(request.target.partition("?")[2]))
    match = _IN_QUERY.fullmatch(given.get("X-Amz-Credential", ""))
    expires = given.get("X-Amz-Expires", "")
    if match is None or not expires.isdigit() or not 0 < int(expires) <= LONGEST_S:
        raise AwsError(
            "IncompleteSignatureException",
            "The query is not that of a presigned URL "
            "(X-Amz-Credential, X-Amz-Date, X-Amz-Expires up to seven days, X-Amz-SignedHeaders, X-Amz-Signature).",
        )
    return Claim(
        match["key"],
        given.get("X-Amz-Security-Token", ""),
        match["date"],
        match["region"],
        match["service"],
        given.get("X-Amz-Date", ""),
        tuple(sorted(set(given.get("X-Amz-SignedHeaders", "").lower().split(";")))),
        given.get("X-Amz-Signature", ""),
        int(expires),
    )


def _in_old_query(request: Signed) -> Claim:
    given = dict(parse_qsl(request.target.partition("?")[2]))
    key, expires, signature = given.get("AWSAccessKeyId", ""), given.get("Expires", ""), given.get("Signature", "")
    if not (key and expires.isdigit() and signature):
        raise AwsError(
            "IncompleteSignatureException",
            "The query is not that of a presigned URL (AWSAccessKeyId, Expires, Signature).",
        )
    return Claim(key, given.get("x-amz-security-token", ""), "", "", "s3", expires, (), signature, old=True)


def _in_form(request: Signed) -> Claim:
    fields = fields_of(request.headers.get("Content-Type") or "", request.body)
    match = _IN_QUERY.fullmatch(fields.get("x-amz-credential", ""))
    old = "awsaccesskeyid" in fields
    if "policy" not in fields or not (old or match):
        raise AwsError(
            "IncompleteSignatureException",
            "The form is not one that is signed (policy, x-amz-credential, x-amz-date, x-amz-signature).",
        )
    token = fields.get("x-amz-security-token", "")
    if match is None:
        return Claim(fields["awsaccesskeyid"], token, "", "", "s3", "", (), fields.get("signature", ""), 0, old, fields)
    stamp, signature = fields.get("x-amz-date", ""), fields.get("x-amz-signature", "")
    return Claim(
        match["key"], token, match["date"], match["region"], match["service"], stamp, (), signature, form=fields
    )
