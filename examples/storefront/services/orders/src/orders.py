"""Orders of customers: placed with POST, listed with GET."""

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
        order = {"customer": customer, "placed": placed, "what": event.get("body", "")}
        ORDERS.put_item(Item=order)
        return {"statusCode": 201, "body": json.dumps(order)}
    found = ORDERS.query(KeyConditionExpression=Key("customer").eq(customer))["Items"]
    return {"statusCode": 200, "body": json.dumps(found)}
