"""Notes by author: one function writes, another reads, and neither may do the other's work."""

import base64
import json
import os
from datetime import UTC, datetime

import boto3
from boto3.dynamodb.conditions import Key

TABLE = boto3.resource("dynamodb").Table(os.environ["NOTES_TABLE"])


def write(event, context):
    """POST /authors/{author}/notes with the note's text as the body."""
    text = event.get("body") or ""
    if event["isBase64Encoded"]:  # as an HTTP API does with forms, which is what curl -d sends
        text = base64.b64decode(text).decode()
    if not text.strip():
        return {"statusCode": 400, "body": json.dumps({"error": "a note needs text"})}
    note = {
        "author": event["pathParameters"]["author"],
        "written": datetime.now(UTC).isoformat(),
        "text": text,
    }
    TABLE.put_item(Item=note)
    return {"statusCode": 201, "body": json.dumps(note)}


def read(event, context):
    """GET /authors/{author}/notes: the author's notes, newest first."""
    author = event["pathParameters"]["author"]
    found = TABLE.query(
        KeyConditionExpression=Key("author").eq(author), ScanIndexForward=False, Limit=100
    )
    return found["Items"]
