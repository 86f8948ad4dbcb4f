"""A small application for the tests of apply: a table, a function, an HTTP API."""

from __future__ import annotations

from tests.lifecycle.applications import Application, ask

DEFINITION = """app: small
region: eu-west-1

environments:
  poc: {}
  prod:
    components: {api: {memory: 512MB}}

components:
  entries: {type: table, partition_key: id, sort_key: at}
  api: {type: function, source: src, handler: app.handler, memory: 128MB,
        uses: {entries: read-write}}
  web: {type: http-api, routes: {"GET /": api, "POST /": api}}
"""

SOURCE = """import os, uuid
import boto3

PAGE = "first"


def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["ENTRIES_TABLE"])
    if event["requestContext"]["http"]["method"] == "POST":
        table.put_item(Item={"id": str(uuid.uuid4()), "at": "now", "other": "x"})
    return {"statusCode": 200, "body": f"{PAGE} {table.scan()['Count']}"}
"""

REFUSED = """
resources:
  Extra:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: this-bucket-is-not-there
      PolicyDocument: {Version: "2012-10-17", Statement: []}
"""


def read_page(app: Application, method: str = "GET") -> str:
    """What the application answers: its page, and how many rows there are."""
    answer = ask(method, f"{app.url()}/")
    assert answer.status == 200, answer.text
    return answer.text
