"""Is a request signed with a key of ours? Answered by computing its signature anew and comparing.

How a request becomes a signature: AWS General Reference, "Signature Version 4 signing process". The path is encoded
once more than it is on the wire, as for every service but S3. A signature in the query is a presigned URL's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from botocore.utils import normalize_url_path

from workbench.faas import sigv2
from workbench.faas.aws_errors import AwsError
from workbench.faas.claims import LONGEST_S, Claim, Signed, SignedRequest, claim_of
from workbench.faas.credentials import Key, Keyring
from workbench.faas.post_form import check_policy

__all__ = ["Claim", "Signed", "SignedForAnother", "SignedRequest", "Verifier"]

SERVICE = "lambda"
S3 = "s3"
MAX_SKEW_S = 300
"""AWS takes a signature for five minutes around its time (AWS General Reference, "Signature Version 4")."""

_REMEMBERED = 4096


class SignedForAnother(AwsError):
    """The request is signed for another service than Lambda; nothing of it is verified yet."""

    def __init__(self, claim: Claim, region: str) -> None:
        super().__init__(
            "InvalidSignatureException",
            f"Credential should be scoped to {region}/{SERVICE}, not {claim.region}/{claim.service}.",
        )
        self.claim = claim


@dataclass(frozen=True, slots=True)
class _Verified:
    signed_at: float
    key: Key


class Verifier:
    """Checks requests against the keys of this platform.

    A load generator signs once and sends the same bytes thousands of times: of a request equal to one that was verified
    only the age is checked, and that its key is still valid.
    """

    def __init__(self, keys: Keyring, region: str) -> None:
        self._keys = keys
        self._region = region
        self._verified: OrderedDict[tuple[object, ...], _Verified] = OrderedDict()

    def verify(self, request: Signed, now_epoch_s: float) -> Key:
        """The key that the request is signed with; raises AwsError (403) unless that is one of ours, now."""
        digest = hashlib.sha256(request.body).digest()
        same = (request.method, request.target, tuple(request.raw_headers), digest)
        seen = self._verified.get(same)
        if seen is None:
            seen = self._verify(request, digest.hex(), now_epoch_s)
            self._verified[same] = seen
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        elif abs(now_epoch_s - seen.signed_at) > MAX_SKEW_S:
            raise _skewed(seen.signed_at, now_epoch_s)
        elif self._keys.find(seen.key.access_key, seen.key.session_token) is not seen.key:
            raise _unknown_key()
        return seen.key

    def names_a_key(self, request: Signed) -> bool:
        """Whether the request says that it is signed with a key of ours; its body is not needed for that."""
        try:
            claim = claim_of(request)
        except AwsError:
            return False
        return self._keys.find(claim.access_key, claim.token) is not None

    def verify_claim(self, claim: Claim, request: Signed, now_epoch_s: float) -> Key:
        """As `verify`, for a request to any service, which is not remembered."""
        return self._check(claim, request, hashlib.sha256(request.body).hexdigest(), now_epoch_s).key

    def _verify(self, request: Signed, body_sha256: str, now_epoch_s: float) -> _Verified:
        claim = claim_of(request)
        if claim.service != SERVICE:
            raise SignedForAnother(claim, self._region)
        if claim.expires_s:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        return self._check(claim, request, body_sha256, now_epoch_s)

    def _check(self, claim: Claim, request: Signed, body_sha256: str, now_epoch_s: float) -> _Verified:
        key = self._keys.find(claim.access_key, claim.token)
        if key is None:
            raise _unknown_key()
        if claim.form is not None:
            return self._check_form(claim, claim.form, request, key, now_epoch_s)
        if claim.old:
            return self._check_old(claim, request, key, now_epoch_s)
        if claim.region != self._region:
            raise AwsError(
                "InvalidSignatureException",
                f"Credential should be scoped to {self._region}/{claim.service}, not {claim.region}/{claim.service}.",
            )
        signed_at = _epoch(claim.stamp)
        if not -MAX_SKEW_S <= now_epoch_s - signed_at <= (claim.expires_s or MAX_SKEW_S):
            raise _skewed(signed_at, now_epoch_s)
        payload = _payload(claim, request, body_sha256)
        if payload is None or "host" not in claim.signed or not (claim.expires_s or "x-amz-date" in claim.signed):
            raise _mismatch()
        expected = _signature(request, claim, payload, key)
        if claim.stamp[:8] != claim.date or not hmac.compare_digest(expected, claim.signature):
            raise _mismatch()
        return _Verified(signed_at, key)

    def _check_form(
        self, claim: Claim, fields: Mapping[str, str], request: Signed, key: Key, now_epoch_s: float
    ) -> _Verified:
        if claim.old:
            expected = sigv2.of_text(fields["policy"], key.secret)
        elif (claim.region, claim.service) != (self._region, S3):
            raise _mismatch()
        else:
            made = _signing_key(key.secret, claim.date, claim.region, claim.service)
            expected = hmac.new(made, fields["policy"].encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise _mismatch()
        check_policy(fields, unquote(request.target.partition("?")[0].strip("/")), now_epoch_s)
        return _Verified(now_epoch_s, key)

    @staticmethod
    def _check_old(claim: Claim, request: Signed, key: Key, now_epoch_s: float) -> _Verified:
        if not now_epoch_s <= int(claim.stamp) <= now_epoch_s + LONGEST_S:
            raise _skewed(float(claim.stamp[:11]), now_epoch_s)
        if not hmac.compare_digest(sigv2.signature(request, claim, key.secret), claim.signature):
            raise _mismatch()
        return _Verified(now_epoch_s, key)


def _payload(claim: Claim, request: Signed, body_sha256: str) -> str | None:
    """What stands for the body in the signature; None when the body is another than the one declared.

    S3 alone takes a body that is not signed as a whole; a presigned URL is made before there is one (Amazon S3 API
    Reference, "Authenticating Requests: Using Query Parameters", "Signature Calculations: Transferring Payload in
    Multiple Chunks").
    """
    declared = request.headers.get("X-Amz-Content-SHA256")
    if declared is None:
        return "UNSIGNED-PAYLOAD" if claim.expires_s and claim.service == S3 else body_sha256
    free = declared == "UNSIGNED-PAYLOAD" or (claim.service == S3 and declared.startswith("STREAMING-"))
    return declared if free or declared == body_sha256 else None


def signed_headers(method: str, url: str, key: Key, region: str, now_epoch_s: float) -> dict[str, str]:
    """Headers that sign a request to a platform for five minutes, whatever its body: for a sender on this machine.

    On AWS too a body may be left out of a signature (UNSIGNED-PAYLOAD) where the connection itself can be trusted.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now_epoch_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    claim = Claim(key.access_key, "", stamp[:8], region, SERVICE, stamp, tuple(sorted(headers)), "")
    signature = _signature(SignedRequest(method, target, headers, (), b""), claim, "UNSIGNED-PAYLOAD", key)
    scope = f"{key.access_key}/{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    del headers["host"]  # the HTTP client's own
    credential = f"Credential={scope}, SignedHeaders={';'.join(claim.signed)}, Signature={signature}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _signature(request: Signed, claim: Claim, payload: str, key: Key) -> str:
    path, _, query = request.target.partition("?")
    values = [f"{name}:{' '.join((request.headers.get(name) or '').split())}\n" for name in claim.signed]
    canonical = (
        f"{request.method}\n{path if claim.service == S3 else _canonical_path(path)}\n"
        f"{_canonical_query(query) if query else ''}\n{''.join(values)}\n{';'.join(claim.signed)}\n{payload}"
    )
    date, scope = claim.date, f"{claim.date}/{claim.region}/{claim.service}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{claim.stamp}\n{scope}/aws4_request\n{digest}"
    made = _signing_key(key.secret, date, claim.region, claim.service)
    return hmac.new(made, to_sign.encode(), hashlib.sha256).hexdigest()


@lru_cache(256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Good for a day: what of the signature depends on neither request nor time."""
    made = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        made = hmac.digest(made, part.encode(), "sha256")
    return made


@lru_cache(1024)
def _canonical_path(path: str) -> str:
    return quote(normalize_url_path(path), safe="/~")


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair and not pair.startswith("X-Amz-Signature="))
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(n), _encoded(v)) for n, _, v in pairs))


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")


@lru_cache(64)
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


def _unknown_key() -> AwsError:
    return AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
