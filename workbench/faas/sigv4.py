"""Is a request signed with our key? Answered by signing it again with botocore's own signer and comparing."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPMessage
from urllib.parse import quote, unquote_plus

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from workbench.faas.aws_errors import AwsError

SERVICE = "lambda"
MAX_SKEW_S = 300
"""AWS takes a signature for five minutes around its time (AWS General Reference, "Signature Version 4")."""

_REMEMBERED = 4096
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request a signature covers; `target` is its still encoded path with query."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Verifier:
    """Checks requests against one access key.

    A load generator signs once and sends the same bytes thousands of times: a request equal to one that was verified is
    not signed again, only its age is checked.
    """

    def __init__(self, access_key: str, secret_key: str, region: str) -> None:
        self._access_key = access_key
        self._region = region
        self._signer = _Signer(Credentials(access_key, secret_key), SERVICE, region)
        self._verified: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def verify(self, request: SignedRequest, now_epoch_s: float) -> None:
        """Raise AwsError (403) unless the request is signed with our key, now."""
        digest = hashlib.sha256(request.body).digest()
        key = (request.method, request.target, request.raw_headers, digest)
        signed_at = self._verified.get(key)
        if signed_at is None:
            signed_at = self._verify(request, digest.hex(), now_epoch_s)
            self._verified[key] = signed_at
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        elif abs(now_epoch_s - signed_at) > MAX_SKEW_S:
            raise _skewed(signed_at, now_epoch_s)

    def _verify(self, request: SignedRequest, body_sha256: str, now_epoch_s: float) -> float:
        authorization = request.headers.get("Authorization")
        if not authorization:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        match = _AUTHORIZATION.fullmatch(authorization.strip())
        if match is None:
            raise AwsError(
                "IncompleteSignatureException",
                "The Authorization header is not that of Signature Version 4 "
                "(Credential=..., SignedHeaders=..., Signature=...).",
            )
        if not hmac.compare_digest(match["key"].encode(), self._access_key.encode()):
            raise AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if match["service"] != SERVICE or match["region"] != self._region:
            raise AwsError(
                "InvalidSignatureException",
                f"Credential should be scoped to {self._region}/{SERVICE}, not {match['region']}/{match['service']}.",
            )
        stamp = request.headers.get("X-Amz-Date", "")
        signed_at = _epoch(stamp)
        if abs(now_epoch_s - signed_at) > MAX_SKEW_S:
            raise _skewed(signed_at, now_epoch_s)
        names = match["signed"].lower().split(";")
        if "host" not in names or "x-amz-date" not in names or not _body_is_as_signed(request, body_sha256):
            raise _mismatch()
        expected = self._signer.compute(request, names, stamp, body_sha256)
        if stamp[:8] != match["date"] or not hmac.compare_digest(expected, match["signature"]):
            raise _mismatch()
        return signed_at


class _Signer(SigV4Auth):
    """botocore's signer, covering the headers that the sender covered, at the time that the sender gave."""

    def compute(self, request: SignedRequest, names: list[str], stamp: str, body_sha256: str) -> str:
        path, _, query = request.target.partition("?")
        url = f"http://{request.headers.get('Host', '')}{path}" + (f"?{_normal(query)}" if query else "")
        again = AWSRequest(method=request.method, url=url)
        covered = HTTPMessage()
        for name in names:
            covered[name] = request.headers.get(name, "")
        declared = request.headers.get("X-Amz-Content-SHA256")
        again.context.update(timestamp=stamp, covered=covered, payload=declared or body_sha256)
        return str(self.signature(self.string_to_sign(again, self.canonical_request(again)), again))

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        covered: HTTPMessage = request.context["covered"]
        return covered

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload"])


def _body_is_as_signed(request: SignedRequest, body_sha256: str) -> bool:
    declared = request.headers.get("X-Amz-Content-SHA256")
    return declared in (None, body_sha256, "UNSIGNED-PAYLOAD")


def _normal(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs)


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")


def _epoch(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise AwsError(
            "IncompleteSignatureException", "The request has no X-Amz-Date header of the form 20260131T235959Z."
        ) from error


def _skewed(signed_at: float, now: float) -> AwsError:
    when = f"signed {datetime.fromtimestamp(signed_at, UTC):%Y%m%dT%H%M%SZ}, received "
    when += f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    return AwsError(
        "InvalidSignatureException",
        f"Signature expired or not yet valid: {when}; at most five minutes may lie between.",
    )


def _mismatch() -> AwsError:
    return AwsError(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
    )
