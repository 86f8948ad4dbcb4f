"""Write a timestamp with POST /app, list all of them with GET /app.

Plain Lambda code behind an application load balancer: it knows the event, the
table's name from its environment, and nothing of how it is deployed.
"""

import json
import os
from datetime import UTC, datetime
from http import HTTPStatus

import boto3

TABLE = boto3.resource("dynamodb").Table(os.environ["ENTRIES_TABLE"])
WELCOME = "<h1>Timestamps</h1><p>POST /app writes one, GET /app lists them."
NEEDED = ("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")


def handler(event, context):
    """Answer one request of the load balancer."""
    route = event["httpMethod"], event["path"]
    if route == ("GET", "/health"):
        return answer(200, "healthy")
    if route == ("GET", "/"):
        return answer(200, WELCOME, "html")
    if route == ("POST", "/app"):
        return write_entry(event["headers"])
    if route == ("GET", "/app"):
        return list_entries()
    return answer(404, "not found")


def write_entry(headers):
    """Store who asked, and when; 400 when the request did not come through a load balancer."""
    missing = [name for name in NEEDED if name not in headers]
    if missing:
        return answer(400, f"missing headers: {', '.join(missing)}")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    TABLE.put_item(
        Item={
            "uniqueId": f"{headers['x-amzn-trace-id']} {now}",
            "timeStamp": now,
            "clientIP": headers["x-forwarded-for"],
            "protocol": f"{headers['x-forwarded-proto']}:{headers['x-forwarded-port']}",
        }
    )
    return answer(200, now)


def list_entries():
    """Every row, oldest first, following the scan's pages."""
    page = TABLE.scan()
    rows = page["Items"]
    while "LastEvaluatedKey" in page:
        page = TABLE.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        rows += page["Items"]
    rows.sort(key=lambda row: row["timeStamp"])
    return answer(200, json.dumps(rows, indent=1), "json")


def answer(status, body, kind="plain"):
    """The answer in the form that a load balancer takes."""
    content_type = "application/json" if kind == "json" else f"text/{kind}; charset=utf-8"
    return {
        "statusCode": status,
        "statusDescription": f"{status} {HTTPStatus(status).phrase}",
        "isBase64Encoded": False,
        "headers": {"content-type": content_type},
        "body": body,
    }
