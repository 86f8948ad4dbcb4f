"""An S3 in memory, with conditional writes as S3 has them; the clients apply is given."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError

from fairway.apply.store import Store
from fairway.aws import Aws

BEGAN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class NoSuchKey(ClientError):
    pass


class Exceptions:
    NoSuchKey = NoSuchKey


def fail(code: str, status: int, kind: type[ClientError] = ClientError) -> ClientError:
    return kind(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "call",
    )


@dataclass
class FakeS3:
    """One bucket. on_put: called before each write, to let others write in between."""

    objects: dict[str, bytes] = field(default_factory=dict)
    ages: dict[str, datetime] = field(default_factory=dict)
    lost_answers: int = 0
    on_put: Callable[[str], None] = lambda key: None
    exceptions = Exceptions

    def tag(self, key: str) -> str:
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'

    def put_object(self, Key: str, Body: bytes, **options: Any) -> dict[str, str]:
        self.on_put(Key)
        if options.get("IfNoneMatch") == "*" and Key in self.objects:
            raise fail("PreconditionFailed", 412)
        wanted = options.get("IfMatch")
        if wanted is not None:
            if Key not in self.objects:
                raise fail("NoSuchKey", 404)
            if self.tag(Key) != wanted:
                raise fail("PreconditionFailed", 412)
        self.objects[Key] = Body
        if self.lost_answers:  # written, but the caller sees the second try
            self.lost_answers -= 1
            raise fail("PreconditionFailed", 412)
        return {"ETag": self.tag(Key)}

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:
        if Key not in self.objects:
            raise fail("NoSuchKey", 404, NoSuchKey)
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": self.tag(Key)}

    def head_object(self, Key: str, **_: Any) -> dict[str, int]:
        if Key not in self.objects:
            raise fail("404", 404)
        return {"ContentLength": len(self.objects[Key])}

    def delete_object(self, Key: str, IfMatch: str, **_: Any) -> None:
        if Key in self.objects:
            if self.tag(Key) != IfMatch:
                raise fail("PreconditionFailed", 412)
            del self.objects[Key]

    def delete_objects(self, Delete: dict[str, Any], **_: Any) -> None:
        for item in Delete["Objects"]:
            self.objects.pop(item["Key"], None)

    def get_paginator(self, name: str) -> Pages:
        return Pages(self, name)


@dataclass
class Pages:
    s3: FakeS3
    name: str

    def paginate(self, Prefix: str = "", **_: Any) -> Iterator[dict[str, Any]]:
        keys = sorted(key for key in self.s3.objects if key.startswith(Prefix))
        items = [
            {"Key": k, "VersionId": "1", "LastModified": self.s3.ages.get(k, BEGAN)} for k in keys
        ]
        yield {"Contents": items, "Versions": items}


@dataclass
class FakeAws:
    s3: FakeS3


def make_store() -> tuple[Store, FakeS3]:
    s3 = FakeS3()
    return Store(cast("Aws", FakeAws(s3)), "bucket"), s3


class FakeAccount:
    """One account, which has an artifact bucket and nothing else."""

    def __init__(self) -> None:
        self.s3 = FakeS3()

    @property
    def cloudformation(self) -> FakeAccount:
        return self

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        bucket = {"OutputKey": "BucketName", "OutputValue": "artifacts"}
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": [bucket]}]}
