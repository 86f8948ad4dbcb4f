"""The Lambda function behind an HTTP API (payload format 2.0)."""

from write_timestamp import write_timestamp


def handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/plain"},
        "body": write_timestamp(),
    }
