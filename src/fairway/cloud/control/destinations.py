"""Where records of asynchronous invocations go: queues, topics, event buses, functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

Attributes = Mapping[str, tuple[str, str]]
SubmitEvent = Callable[[str, bytes], None]
"""Invokes another function asynchronously: ARN and payload."""


class Destinations:
    """Delivers through ministack's own services, in the account and region of the target.

    check(sender, target): raises ValueError where the sending function's role does
    not allow it.
    """

    def __init__(self, submit: SubmitEvent, check: Callable[[str, str], None]) -> None:
        self._submit = submit
        self._check = check

    async def deliver(self, arn: str, body: str, attributes: Attributes, sender: str) -> None:
        """Implements `asynchronous.Deliver`. Raises ValueError when it is refused."""
        from ministack.core import responses

        self._check(sender, arn)

        _, _, service, region, account, name = arn.split(":", 5)
        responses.set_request_account_id(account)  # of this task alone
        responses.set_request_region(region)
        if service == "sqs":
            await _send_message(name, body, attributes)
        elif service == "sns":
            await _publish(arn, body, attributes)
        elif service == "events":
            await _put_event(name.partition("/")[2], body)
        elif service == "lambda":
            self._submit(arn, body.encode())
        else:
            raise ValueError(f"the local cloud does not deliver records to {service}")


async def _call(service: Any, target: str, kind: str, body: bytes) -> Any:
    headers = {"content-type": kind, "host": "127.0.0.1"}
    if target:
        headers["x-amz-target"] = target
    status, _, answer = await service.handle_request("POST", "/", headers, body, {})
    if status >= 400:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
        raise ValueError(text)
    return answer


async def _send_message(name: str, body: str, attributes: Attributes) -> None:
    from ministack.services import sqs

    request = {
        "QueueUrl": sqs._queue_url(name),
        "MessageBody": body,
        "MessageAttributes": {
            key: {"DataType": kind, "StringValue": value}
            for key, (kind, value) in attributes.items()
        },
    }
    data = json.dumps(request).encode()
    await _call(sqs, "AmazonSQS.SendMessage", "application/x-amz-json-1.0", data)


async def _publish(arn: str, body: str, attributes: Attributes) -> None:
    from ministack.services import sns

    form = {"Action": "Publish", "TopicArn": arn, "Message": body}
    for number, (key, (kind, value)) in enumerate(attributes.items(), 1):
        entry = f"MessageAttributes.entry.{number}"
        form |= {
            f"{entry}.Name": key,
            f"{entry}.Value.DataType": kind,
            f"{entry}.Value.StringValue": value,
        }
    await _call(sns, "", "application/x-www-form-urlencoded", urlencode(form).encode())


async def _put_event(bus: str, body: str) -> None:
    """Send the record as the detail of an event.

    Page "Capturing records of Lambda asynchronous invocations".
    """
    from ministack.services import eventbridge

    record = json.loads(body)
    word = "Success" if record["requestContext"]["condition"] == "Success" else "Failure"
    entry = {
        "EventBusName": bus,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {word}",
        "Resources": [record["requestContext"]["functionArn"]],
        "Detail": body,
    }
    data = json.dumps({"Entries": [entry]}).encode()
    await _call(eventbridge, "AWSEvents.PutEvents", "application/x-amz-json-1.1", data)
