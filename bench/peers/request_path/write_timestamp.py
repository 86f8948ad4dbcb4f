"""The write that every target of the request path bench does: one PutItem of one small row."""

import os
import uuid
from datetime import UTC, datetime

import boto3
from botocore.config import Config

# Servers with threads share the table; a Lambda has one request at a time and is not affected.
TABLE = boto3.resource("dynamodb", config=Config(max_pool_connections=64)).Table(
    os.environ.get("ENTRIES_TABLE", "entries")
)


def write_timestamp():
    """Store a row as large as the example application's; the timestamp."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    TABLE.put_item(
        Item={
            "uniqueId": f"Root=1-{uuid.uuid4()} {now}",
            "timeStamp": now,
            "clientIP": "127.0.0.1",
            "protocol": "http:80",
        }
    )
    return now
