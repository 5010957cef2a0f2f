"""Is a request signed with a key of ours? Answered by computing its signature anew and comparing.

How a request becomes a signature: AWS General Reference, "Signature Version 4 signing process". The path is encoded
once more than it is on the wire, as for every service but S3.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, unquote_plus, urlsplit

from botocore.utils import normalize_url_path

from workbench.faas.aws_errors import AwsError
from workbench.faas.credentials import Key, Keyring

SERVICE = "lambda"
MAX_SKEW_S = 300
"""AWS takes a signature for five minutes around its time (AWS General Reference, "Signature Version 4")."""

_REMEMBERED = 4096
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request,"
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
        match = _AUTHORIZATION.fullmatch((request.headers.get("Authorization") or "").strip())
        token = request.headers.get("X-Amz-Security-Token") or ""
        return match is not None and self._keys.find(match["key"], token) is not None

    def _verify(self, request: Signed, body_sha256: str, now_epoch_s: float) -> _Verified:
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
        key = self._keys.find(match["key"], request.headers.get("X-Amz-Security-Token") or "")
        if key is None:
            raise _unknown_key()
        if (match["region"], match["service"]) != (self._region, SERVICE):
            raise AwsError(
                "InvalidSignatureException",
                f"Credential should be scoped to {self._region}/{SERVICE}, not {match['region']}/{match['service']}.",
            )
        stamp = request.headers.get("X-Amz-Date") or ""
        signed_at = _epoch(stamp)
        if abs(now_epoch_s - signed_at) > MAX_SKEW_S:
            raise _skewed(signed_at, now_epoch_s)
        names = sorted(set(match["signed"].lower().split(";")))
        declared = request.headers.get("X-Amz-Content-SHA256")
        if "host" not in names or "x-amz-date" not in names or declared not in (None, body_sha256, "UNSIGNED-PAYLOAD"):
            raise _mismatch()
        expected = _signature(request, names, declared or body_sha256, stamp, self._region, key)
        if stamp[:8] != match["date"] or not hmac.compare_digest(expected, match["signature"]):
            raise _mismatch()
        return _Verified(signed_at, key)


def signed_headers(method: str, url: str, key: Key, region: str, now_epoch_s: float) -> dict[str, str]:
    """Headers that sign a request to a platform for five minutes, whatever its body: for a sender on this machine.

    On AWS too a body may be left out of a signature (UNSIGNED-PAYLOAD) where the connection itself can be trusted.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now_epoch_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    names = sorted(headers)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = SignedRequest(method, target, headers, (), b"")
    signature = _signature(request, names, "UNSIGNED-PAYLOAD", stamp, region, key)
    scope = f"{key.access_key}/{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    del headers["host"]  # the HTTP client's own
    credential = f"Credential={scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _signature(request: Signed, names: list[str], payload: str, stamp: str, region: str, key: Key) -> str:
    path, _, query = request.target.partition("?")
    values = [f"{name}:{' '.join((request.headers.get(name) or '').split())}\n" for name in names]
    canonical = (
        f"{request.method}\n{_canonical_path(path)}\n{_canonical_query(query) if query else ''}\n"
        f"{''.join(values)}\n{';'.join(names)}\n{payload}"
    )
    date = stamp[:8]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{date}/{region}/{SERVICE}/aws4_request\n{digest}"
    return hmac.new(_signing_key(key.secret, date, region), to_sign.encode(), hashlib.sha256).hexdigest()


@lru_cache(256)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    """Good for a day: what of the signature depends on neither request nor time."""
    made = f"AWS4{secret}".encode()
    for part in (date, region, SERVICE, "aws4_request"):
        made = hmac.digest(made, part.encode(), "sha256")
    return made


@lru_cache(1024)
def _canonical_path(path: str) -> str:
    return quote(normalize_url_path(path), safe="/~")


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
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
