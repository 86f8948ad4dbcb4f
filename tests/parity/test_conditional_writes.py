"""Conditional writes of S3, which the lock and the releases rest on."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud

PAGE = "How to prevent object overwrites with conditional writes"

pytestmark = pytest.mark.slow


def put(s3: Any, key: str, body: bytes, **condition: str) -> int:
    try:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, **condition)
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200


@holds("S3", PAGE, "If-None-Match: * makes an object once, whoever else tries at the same time")
def test_of_many_writers_one_makes_the_object(cloud: Cloud) -> None:
    key, s3 = uuid.uuid4().hex, cloud.client("s3")
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda n: put(s3, key, str(n).encode(), IfNoneMatch="*"), range(32)))
    assert codes.count(200) == 1
    assert set(codes) <= {200, 409, 412}
    body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert body == str(codes.index(200)).encode()


@holds("S3", PAGE, "If-Match replaces the object that was read, and no other")
def test_replacing_needs_the_tag_that_was_read(cloud: Cloud) -> None:
    key, s3 = uuid.uuid4().hex, cloud.client("s3")
    assert put(s3, key, b"first", IfMatch='"0"') in (404, 412)
    first = s3.put_object(Bucket=BUCKET, Key=key, Body=b"first")["ETag"]
    assert put(s3, key, b"second", IfMatch=first) == 200
    assert put(s3, key, b"third", IfMatch=first) == 412
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"second"


@holds("S3", "How to perform conditional deletes", "If-Match deletes the object that was read")
def test_deleting_needs_the_tag_that_was_read(cloud: Cloud) -> None:
    key, s3 = uuid.uuid4().hex, cloud.client("s3")
    first = s3.put_object(Bucket=BUCKET, Key=key, Body=b"first")["ETag"]
    second = s3.put_object(Bucket=BUCKET, Key=key, Body=b"second")["ETag"]
    with pytest.raises(ClientError) as refused:
        s3.delete_object(Bucket=BUCKET, Key=key, IfMatch=first)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    s3.delete_object(Bucket=BUCKET, Key=key, IfMatch=second)
    with pytest.raises(ClientError):
        s3.get_object(Bucket=BUCKET, Key=key)
