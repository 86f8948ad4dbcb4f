"""Whether one service may hand something to another: the receiver's policy decides.

Buckets, topics, rules and log groups act as their service, not as a role. What
they call must name them in its own policy: a function by AWS::Lambda::Permission,
a queue or topic by its access policy; an encrypted queue's key must as well.
ministack asks some receivers and delivers to the others regardless.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

from fairway.cloud.control import permissions
from fairway.cloud.control.authority import service_allows, service_may_send

S3, SNS, EVENTS = "s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com"

Tell = Callable[[str], None]

_ACTIONS = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage", "sns": "sns:Publish"}


class Deliveries:
    """Decides about deliveries, and tells of those that are refused. tell: takes a sentence."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def permit(self, service: str, source: str, account: str, target: str) -> bool:
        """Whether a service may deliver from a source ARN to a function, queue or topic."""
        if may_deliver(service, source, account, target):
            return True
        self.refuse(service, source, target)
        return False

    def refuse(self, service: str, source: str, target: str) -> None:
        """Tell that a delivery was refused."""
        kind = target.split(":")[2]
        held = "the policy" if kind != "lambda" else "a permission (AWS::Lambda::Permission)"
        self._tell(
            f"{source} could not deliver to {target}: {held} of the receiver must allow "
            f"{service} to do {_ACTIONS[kind]} for this source."
        )


def may_deliver(service: str, source: str, account: str, target: str) -> bool:
    """Whether the receiver's policies let a service deliver, key included.

    Pages "Using resource-based policies for Amazon EventBridge", "Granting permissions
    to publish event notification messages to a destination" and "Tutorial: Using AWS
    Lambda with Amazon SNS".
    """
    kind = target.split(":")[2]
    if kind == "lambda":
        return permissions.allows(permissions.read_policy(target), service, source, account)
    policy = _read_access_policy(kind, target)
    action = _ACTIONS[kind]
    allowed = service_allows(policy, service, action, target, source, account)
    return allowed and service_may_send(service, action, target)


def _read_access_policy(kind: str, arn: str) -> Any:
    from ministack.services import sns, sqs

    found = sqs.queue_policy_for_arn(arn) if kind == "sqs" else sns.topic_policy_for_arn(arn)
    return found[0] if found else ""


def patch_deliveries(deliveries: Deliveries) -> None:
    """Ask before each delivery that ministack makes. Call after the events to functions."""
    _ask_queues(deliveries)
    _ask_for_buckets(deliveries)
    _ask_for_topics(deliveries)
    _ask_for_rules(deliveries)
    _ask_for_logs(deliveries)


def _ask_queues(deliveries: Deliveries) -> None:
    """Ministack asks a queue's policy for topics and buckets; its key has a say too."""
    from ministack.services import sqs

    original = sqs.queue_policy_allows

    def allows(queue: str, service: str, source: str, account: str) -> bool:
        if original(queue, service, source, account) and service_may_send(
            service, _ACTIONS["sqs"], queue
        ):
            return True
        deliveries.refuse(service, source, queue)
        return False

    sqs.queue_policy_allows = allows


def _ask_for_buckets(deliveries: Deliveries) -> None:
    """S3 tries each receiver when notifications are configured, and refuses with the first."""
    from ministack.core.responses import get_account_id
    from ministack.services import s3

    validate, deliver = s3._validate_notification_configs, s3._deliver_event_to_lambda

    def validate_configs(
        configs: list[dict[str, Any]], region: str, bucket: str = "", skip: bool = False
    ) -> Any:
        refusal = validate(configs, region, bucket, skip)
        if refusal is not None or skip:
            return refusal
        source, account = f"arn:aws:s3:::{bucket}", s3._bucket_owner_account(bucket)
        unreachable = [
            each["arn"]
            for each in configs
            if each["type"] == "lambda"
            and not may_deliver(S3, source, account or get_account_id(), each["arn"])
        ]
        if not unreachable:
            return None
        return s3._invalid_notification_config(
            "Unable to validate the following destination configurations: " + ", ".join(unreachable)
        )

    def deliver_to_function(arn: str, event: dict[str, Any], region: str) -> None:
        bucket = event["Records"][0]["s3"]["bucket"]["name"]
        account = s3._bucket_owner_account(bucket) or get_account_id()
        if deliveries.permit(S3, f"arn:aws:s3:::{bucket}", account, arn):
            deliver(arn, event, region)

    s3._validate_notification_configs = validate_configs
    s3._deliver_event_to_lambda = deliver_to_function


def _ask_for_topics(deliveries: Deliveries) -> None:
    from ministack.services import sns

    deliver = sns._deliver_to_lambda

    def deliver_to_function(endpoint: str, envelope: str, topic: str, *rest: Any) -> None:
        if deliveries.permit(SNS, topic, topic.split(":")[4], endpoint):
            deliver(endpoint, envelope, topic, *rest)

    sns._deliver_to_lambda = deliver_to_function


def _ask_for_rules(deliveries: Deliveries) -> None:
    """A schedule (EventBridge Scheduler) acts in its role instead, and comes the same way."""
    from ministack.services import eventbridge

    invoke = eventbridge._invoke_target

    def invoke_target(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        receiver, source = str(target.get("Arn") or ""), str(rule.get("Arn") or "")
        kind = receiver.split(":")[2] if receiver.count(":") > 4 else ""
        if (
            kind not in _ACTIONS
            or ":rule/" not in source
            or deliveries.permit(EVENTS, source, source.split(":")[4], receiver)
        ):
            invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target


_LOGS_REFUSAL = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission "
    "to execute your function."
)


def _ask_for_logs(deliveries: Deliveries) -> None:
    """CloudWatch Logs tries the function when a subscription filter is made."""
    from ministack.core.responses import error_response_json, get_account_id, get_region
    from ministack.services import cloudwatch_logs, lambda_svc

    put, execute = (
        cloudwatch_logs._put_subscription_filter,
        lambda_svc._execute_function_with_config_scope,
    )

    def name_source(group: str) -> str:
        return f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:*"

    def put_filter(data: dict[str, Any]) -> Any:
        receiver = str(data.get("destinationArn") or "")
        group = str(data.get("logGroupName") or "")
        if ":function:" in receiver and group in cloudwatch_logs._log_groups:
            service = f"logs.{get_region()}.amazonaws.com"
            if not _logs_may_invoke(service, name_source(group), receiver):
                return error_response_json("InvalidParameterException", _LOGS_REFUSAL, 400)
        return put(data)

    def execute_for_group(function: dict[str, Any], event: Any) -> Any:
        if not (isinstance(event, dict) and set(event) == {"awslogs"}):
            return execute(function, event)
        told = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        arn = str(function["config"]["FunctionArn"])
        _, _, _, region, account, *_ = arn.split(":")
        source = f"arn:aws:logs:{region}:{account}:log-group:{told['logGroup']}:*"
        service = f"logs.{region}.amazonaws.com"
        if _logs_may_invoke(service, source, arn):
            return execute(function, event)
        deliveries.refuse(service, source, arn)
        return None

    cloudwatch_logs._put_subscription_filter = put_filter
    lambda_svc._execute_function_with_config_scope = execute_for_group


def _logs_may_invoke(service: str, source: str, function: str) -> bool:
    """The service is named with its region or without ("Log group-level subscription filters")."""
    account = function.split(":")[4]
    return any(
        may_deliver(name, source, account, function) for name in (service, "logs.amazonaws.com")
    )
