"""The artifact bucket as apply uses it: objects that are made once, and changed only on sight.

Amazon S3 User Guide, "How to prevent object overwrites with conditional writes":
If-None-Match: * makes an object only where there is none; If-Match replaces only the one
that was read. Both answer 412 otherwise, or 409 when two writes meet.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fairway.aws import Aws
from fairway.errors import DeploymentFailed

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_LOST = (409, 412, 404)  # If-Match on what is gone answers 404
_AT_ONCE = 1000  # "DeleteObjects": keys in one request


@dataclass(frozen=True)
class Stored:
    """An object: its bytes, and the tag by which it is known to be unchanged."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Store:
    """One bucket. Every method may raise botocore's errors."""

    aws: Aws
    bucket: str

    def create(self, key: str, body: bytes) -> bool:
        """Make an object; False when there is one already."""
        return self.create_tagged(key, body) is not None

    def create_tagged(self, key: str, body: bytes) -> str | None:
        """Make an object; its tag, or None when there is one already."""
        return self._put(key, body, IfNoneMatch="*")

    def keep(self, key: str, body: bytes) -> None:
        """Have an object whose key names its content."""
        if not self.has(key):
            self.create(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Change the object that was read; its new tag, or None when it is another by now."""
        return self._put(key, body, IfMatch=etag)

    def read(self, key: str) -> Stored | None:
        """An object, or None."""
        try:
            found = self.aws.s3.get_object(Bucket=self.bucket, Key=key)
        except self.aws.s3.exceptions.NoSuchKey:
            return None
        return Stored(found["Body"].read(), found["ETag"])

    def has(self, key: str) -> bool:
        """Whether there is such an object."""
        from botocore.exceptions import ClientError

        try:
            self.aws.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return False
        return True

    def read_digest(self, key: str) -> str:
        """sha256 of an object in base64, as Lambda tells it of the code that was made of it.

        S3 keeps it where the upload told it ("Checking object integrity"); else it is read.
        Raises DeploymentFailed where there is no such object any more.
        """
        from botocore.exceptions import ClientError

        try:
            found: Any = self.aws.s3.head_object(
                Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            raise DeploymentFailed(
                f"{key} is no longer in the artifact bucket, so code could not be put back",
                hint="take the full way: --full",
            ) from error
        if "ChecksumSHA256" in found:
            return str(found["ChecksumSHA256"])
        body = self.aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        digest = hashlib.sha256()
        while part := body.read(1 << 20):
            digest.update(part)
        return base64.b64encode(digest.digest()).decode()

    def list(self, prefix: str) -> list[str]:
        """Keys below a prefix, in order."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def list_aged(self, prefix: str) -> dict[str, datetime]:
        """Keys below a prefix, and when each was written."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        found = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"]: item["LastModified"] for item in found}

    def purge(self, keys: Iterable[str]) -> None:
        """Remove objects with all their versions: the bucket would keep those for ever."""
        for key in keys:
            pages = self.aws.s3.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=key
            )
            versions: list[ObjectIdentifierTypeDef] = [
                {"Key": key, "VersionId": item["VersionId"]}
                for page in pages
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if item["Key"] == key
            ]
            for start in range(0, len(versions), _AT_ONCE):
                self.aws.s3.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": versions[start : start + _AT_ONCE], "Quiet": True},
                )

    def remove_same(self, key: str, etag: str) -> bool:
        """Remove the object that was read, and no other; whether that, or none, was there."""
        from botocore.exceptions import ClientError

        try:
            self.aws.s3.delete_object(Bucket=self.bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in _LOST:
                raise
            return status == 404  # also what a removal meets whose answer was lost
        return True

    def _put(self, key: str, body: bytes, **condition: Any) -> str | None:
        from botocore.exceptions import ClientError

        try:
            answer = self.aws.s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _LOST:
                raise
            # A write whose answer was lost is tried again, and then finds itself.
            found = self.read(key)
            return found.etag if found and found.body == body else None
        return answer["ETag"]


def find_store(aws: Aws) -> Store | None:
    """The artifact bucket of the account and region; None before anything was applied there."""
    from fairway.aws.stacks import describe_stack
    from fairway.compile.artifacts import STACK_NAME

    stack = describe_stack(aws, STACK_NAME) or {}
    for output in stack.get("Outputs", []):
        if output["OutputKey"] == "BucketName":
            return Store(aws, output["OutputValue"])
    return None
