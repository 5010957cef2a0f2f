"""Where code comes from: the request itself, or an object in S3."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workbench.errors import DeploymentError
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.operations.context import Context
from workbench.faas.quotas import MAX_UNPACKED, MAX_ZIP


@dataclass(frozen=True, slots=True)
class Source:
    """A ZIP and its digest, hexadecimal."""

    archive: bytes
    sha256: str

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.archive)


async def fetch(context: Context, given: dict[str, Any]) -> Source:
    """The ZIP that `given` holds or names (ZipFile, or S3Bucket and S3Key); raises AwsError when it cannot be had."""
    archive: bytes | None = given.get("ZipFile")
    in_s3 = any(given.get(name) for name in ("S3Bucket", "S3Key", "S3ObjectVersion"))
    if archive is not None and in_s3:
        raise invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if in_s3:
        archive = await _from_s3(context, given)
    elif archive is None:
        raise invalid("Please provide a source for function code: ZipFile, or S3Bucket and S3Key.")
    elif len(archive) > MAX_ZIP:
        raise AwsError(
            "RequestEntityTooLargeException", f"The ZIP is larger than {MAX_ZIP} bytes.", status=413, Type="User"
        )
    digest = await asyncio.to_thread(lambda: hashlib.sha256(archive).hexdigest())
    return Source(archive, digest)


async def _from_s3(context: Context, given: dict[str, Any]) -> bytes:
    if not given.get("S3Bucket") or not given.get("S3Key"):
        raise invalid("S3Bucket and S3Key must both be given to take the code from S3.")
    if not context.aws.endpoint:
        raise invalid(
            "This platform reaches no S3. Start it with `workbench serve --aws`, or with --aws-endpoint URL where "
            "another one answers, or give the code as ZipFile."
        )
    where = {"Bucket": given["S3Bucket"], "Key": given["S3Key"]}
    if given.get("S3ObjectVersion"):
        where["VersionId"] = given["S3ObjectVersion"]
    try:
        answer = await context.aws.call("s3", "get_object", **where)
        archive: bytes = await asyncio.to_thread(answer["Body"].read, MAX_UNPACKED + 1)
    except ClientError as error:
        said = error.response.get("Error", {})
        raise invalid(
            f"Error occurred while GetObject. S3 Error Code: {said.get('Code')}. "
            f"S3 Error Message: {said.get('Message')}"
        ) from error
    except (BotoCoreError, DeploymentError) as error:
        raise invalid(f"The code could not be read from S3. {error}") from error
    if len(archive) > MAX_UNPACKED:
        raise invalid(f"The object is larger than {MAX_UNPACKED} bytes, so it cannot be a function's code.")
    return archive
