"""Orders of customers: placed with POST, listed with GET."""

import base64
import json
import os
from datetime import UTC, datetime

import boto3
from boto3.dynamodb.conditions import Key

ORDERS = boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])


def handler(event, context):
    """Answer GET and POST /customers/{customer}/orders; the body says what is ordered."""
    customer = event["pathParameters"]["customer"]
    if event["requestContext"]["http"]["method"] == "POST":
        placed = datetime.now(UTC).isoformat()
        order = {"customer": customer, "placed": placed, "what": read_body(event)}
        ORDERS.put_item(Item=order)
        return {"statusCode": 201, "body": json.dumps(order)}
    found = ORDERS.query(KeyConditionExpression=Key("customer").eq(customer))["Items"]
    return {"statusCode": 200, "body": json.dumps(found)}


def read_body(event):
    """The body's text, as an HTTP API hands it over."""
    body = event.get("body") or ""
    if event["isBase64Encoded"]:  # as an HTTP API does with forms, which is what curl -d sends
        return base64.b64decode(body).decode(errors="replace")
    return body
