"""Products by id: kept with PUT, listed with GET."""

import json
import os

import boto3

PRODUCTS = boto3.resource("dynamodb").Table(os.environ["PRODUCTS_TABLE"])


def handler(event, context):
    """Answer GET /products and PUT /products/{id}; the body is the product's name."""
    if event["requestContext"]["http"]["method"] == "PUT":
        product = {"id": event["pathParameters"]["id"], "name": event.get("body", "")}
        PRODUCTS.put_item(Item=product)
        return {"statusCode": 200, "body": json.dumps(product)}
    products = sorted(PRODUCTS.scan()["Items"], key=lambda product: product["id"])
    return {"statusCode": 200, "body": json.dumps(products)}
