"""Products by id: kept with PUT, listed with GET."""

import base64
import json
import os

import boto3

PRODUCTS = boto3.resource("dynamodb").Table(os.environ["PRODUCTS_TABLE"])


def handler(event, context):
    """Answer GET /products and PUT /products/{id}; the body is the product's name."""
    if event["requestContext"]["http"]["method"] == "PUT":
        product = {"id": event["pathParameters"]["id"], "name": read_body(event)}
        PRODUCTS.put_item(Item=product)
        return {"statusCode": 200, "body": json.dumps(product)}
    products = sorted(PRODUCTS.scan()["Items"], key=lambda product: product["id"])
    return {"statusCode": 200, "body": json.dumps(products)}


def read_body(event):
    """The body's text, as an HTTP API hands it over."""
    body = event.get("body") or ""
    if event["isBase64Encoded"]:  # as an HTTP API does with forms, which is what curl -d sends
        return base64.b64decode(body).decode(errors="replace")
    return body
