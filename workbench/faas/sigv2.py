"""The older presigned URL of S3, which boto3 still makes unless told otherwise: signature version 2, in the query.

Amazon S3 developer guide, "Signing and Authenticating REST Requests", "Query String Authentication Alternative".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, unquote

from workbench.faas.claims import Claim, Signed

_OF_THE_RESOURCE = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)
"""What of a query names the resource, and is signed."""


def signature(request: Signed, claim: Claim, secret: str) -> str:
    """The signature that a request with this claim should have, as its query has it (Base64)."""
    path, _, query = request.target.partition("?")
    given = {name.lower(): value for name, value in parse_qsl(query, keep_blank_values=True)}
    headers = {name.lower(): value for name, value in request.headers.items()}
    fields = {**headers, **given}
    amazon = sorted(name for name in fields if name.startswith("x-amz-"))
    lines = [request.method, fields.get("content-md5", ""), fields.get("content-type", ""), claim.stamp]
    lines += [f"{name}:{fields[name].strip()}" for name in amazon]
    return of_text("\n".join([*lines, path + _named(query)]), secret)


def of_text(text: str, secret: str) -> str:
    """The signature of a text: of a request in canonical form, or of a form's policy (Base64)."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()


def _named(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    named = sorted((name, unquote(value), sign) for name, sign, value in pairs if name in _OF_THE_RESOURCE)
    return "?" + "&".join(name + sign + value for name, value, sign in named) if named else ""
