"""The keys that a call needs besides its resource: which, for what, and whether it may be used.

A service that encrypts with a customer's key asks AWS KMS in the caller's name
("kms:ViaService"). So a role that may send to a queue, but not use the queue's
key, is refused. AWS's own keys (alias/aws/...) let in every caller of the
account who comes through the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.denials import Denial

_DECRYPT = ("kms:Decrypt",)
_DATA_KEY = ("kms:GenerateDataKey",)
_BOTH = ("kms:GenerateDataKey", "kms:Decrypt")

_ROWS = (
    "BatchGetItem BatchWriteItem ConditionCheckItem DeleteItem GetItem GetRecords PartiQLDelete "
    "PartiQLInsert PartiQLSelect PartiQLUpdate PutItem Query Scan UpdateItem"
)
NEEDS: Mapping[str, tuple[str, ...]] = {
    # "DynamoDB encryption at rest: usage notes", table keys are decrypted for each principal.
    **{f"dynamodb:{name}": _DECRYPT for name in _ROWS.split()},
    # "Key management" of the Amazon SQS Developer Guide, KMS permissions.
    "sqs:SendMessage": _BOTH,
    "sqs:ReceiveMessage": _DECRYPT,
    # "Managing Amazon SNS encryption keys and costs", AWS KMS permissions.
    "sns:Publish": _BOTH,
    # "Permissions to use user-generated KMS keys" of the Kinesis Data Streams Developer Guide.
    "kinesis:PutRecord": _DATA_KEY,
    "kinesis:PutRecords": _DATA_KEY,
    "kinesis:GetRecords": _DECRYPT,
    # "Using server-side encryption with AWS KMS keys" of the Amazon S3 User Guide.
    "s3:GetObject": _DECRYPT,
    "s3:PutObject": _DATA_KEY,
    # "Secret encryption and decryption in AWS Secrets Manager".
    "secretsmanager:GetSecretValue": _DECRYPT,
    "secretsmanager:PutSecretValue": _BOTH,
}
"""What each action asks of the key, by its IAM name."""


@dataclass(frozen=True, slots=True)
class KeyNeed:
    """Uses of one key. key: ARN; context: condition keys of the use; usable: exists and enabled.

    is_managed: AWS's own key, which only principals of the account may use through its service.
    """

    key: str
    actions: tuple[str, ...]
    context: Mapping[str, str]
    usable: bool = True
    is_managed: bool = False


def find_key(action: str, resource: str) -> KeyNeed | None:
    """The key that an action on a resource needs; None when it needs none."""
    reference = find_reference(action, resource)
    if not reference:
        return None
    return describe_need(action.partition(":")[0], NEEDS[action], reference, resource)


def find_reference(action: str, resource: str) -> str:
    """The id, ARN or alias of the key that encrypts what an action is for; "" without one."""
    # A shard iterator names its stream to the service alone.
    if action not in NEEDS or not resource.startswith("arn:"):
        return ""
    return _READERS[action.partition(":")[0]](resource, action)


def find_record(reference: str, resource: str) -> Mapping[str, Any] | None:
    """What AWS KMS knows of a resource's key; None where it has no such key."""
    from ministack.core import responses
    from ministack.services import kms

    region, account = _find_scope(resource)
    prefix = f"arn:aws:kms:{region}:{account}:key/"
    found: Mapping[str, Any] | None
    if reference.startswith(prefix):  # as nearly all: without all the other ways to name a key
        found = kms._keys.get_scoped(account, region, reference.removeprefix(prefix))
        found = found if found and found.get("Arn") == reference else None
    else:
        with responses.request_scope(account, region):
            found = kms._resolve_key(reference)
    return found


def _find_scope(resource: str) -> tuple[str, str]:
    """Region and account of an ARN; the request's where it names none, as a bucket's."""
    from ministack.core import responses

    _, _, _, region, account, _ = resource.split(":", 5)
    return region or responses.get_region(), account or responses.get_account_id()


def is_managed(reference: str) -> bool:
    """Whether a key that AWS KMS has no record of is one of AWS's own."""
    return "alias/aws/" in reference


def describe_need(service: str, actions: tuple[str, ...], reference: str, resource: str) -> KeyNeed:
    """What a service asks of a key for a resource. reference: the key's id, ARN or alias."""
    region, account = _find_scope(resource)
    record = find_record(reference, resource)
    context = {
        "kms:viaservice": f"{service}.{region}.amazonaws.com",
        "kms:calleraccount": account,
        **_describe_encryption(service, resource, account),
    }
    if record is None:
        managed = is_managed(reference)
        return KeyNeed(reference, actions, context, usable=managed, is_managed=managed)
    return KeyNeed(str(record["Arn"]), actions, context, record.get("KeyState") == "Enabled")


def _describe_encryption(service: str, resource: str, account: str) -> dict[str, str]:
    """The encryption context, which key policies and grants may be tied to.

    The page of each service names its pairs.
    """
    start = "kms:encryptioncontext:"
    match service:
        case "dynamodb":
            table = resource.split("/")[1]
            pairs = {"aws:dynamodb:tablename": table, "aws:dynamodb:subscriberid": account}
        case "sqs":
            pairs = {"aws:sqs:arn": resource}
        case "sns":
            pairs = {"aws:sns:topicarn": resource}
        case "s3":
            pairs = {"aws:s3:arn": resource}
        case "kinesis":
            pairs = {"aws:kinesis:arn": resource}
        case "ssm":
            pairs = {"parameter_arn": resource}
        case _:
            pairs = {"secretarn": resource}
    return {start + name: value for name, value in pairs.items()}


def service_may_use(need: KeyNeed, service: str) -> bool:
    """Whether a key's policy lets a service ("sns.amazonaws.com") use it for itself.

    A managed key's policy does not, and cannot be changed ("Key management" of the
    Amazon SQS Developer Guide, compatibility between event sources and encrypted queues).
    """
    from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

    if need.is_managed or not need.usable:
        return False
    _, _, _, region, account, *_ = need.key.split(":")
    # The service uses the key itself, so that the key's own service is not in between.
    context = {k: v for k, v in need.context.items() if k != "kms:viaservice"}
    context |= {"aws:sourceaccount": account}
    for action in need.actions:
        asked = EvalContext(
            principal_arn=service,
            principal_type="Service",
            principal_account=account,
            action=action,
            resource_arn=need.key,
            region=region,
            service_context=context,
        )
        policy = read_policy(need.key)
        if str(evaluate_resource_policy(policy, asked, service=service).decision) != "Allow":
            return False
    return True


def read_policy(key: str) -> object:
    """The policy of a key by its ARN; "" without one."""
    record = find_record(key, key)
    return (record.get("Policy") if record else None) or ""


# --- where each service keeps the key of a resource -------------------------------


def _read_table(arn: str, action: str) -> str:
    from ministack.services import dynamodb

    _, _, _, region, account, name = arn.split(":", 5)
    parts = name.split("/")
    table = dynamodb._tables.get_scoped(account, region, parts[1]) if len(parts) > 1 else None
    spec = (table or {}).get("SSEDescription") or {}
    return str(spec.get("KMSMasterKeyArn") or "")


def _read_queue(arn: str, action: str) -> str:
    from ministack.services import sqs

    queue = sqs._queue_by_arn(arn) or {}
    return str((queue.get("attributes") or {}).get("KmsMasterKeyId") or "")


def _read_topic(arn: str, action: str) -> str:
    from ministack.services import sns

    topic = sns._topic_by_arn_any_scope(arn) or {}
    return str((topic.get("attributes") or {}).get("KmsMasterKeyId") or "")


def _read_stream(arn: str, action: str) -> str:
    from ministack.services import kinesis

    _, _, _, region, account, name = arn.split(":", 5)
    stream = kinesis._streams.get_scoped(account, region, name.partition("/")[2]) or {}
    return str(stream.get("KeyId") or "") if stream.get("EncryptionType") == "KMS" else ""


ALGORITHM = "x-amz-server-side-encryption"
"""The header of S3 that says how an object is encrypted, and the start of those beside it."""

KEY_ID = f"{ALGORITHM}-aws-kms-key-id"
"""The header of S3 that names the key."""


def _read_object(arn: str, action: str) -> str:
    """An object's own key where it is read, the bucket's default where it is written."""
    from ministack.services import s3

    bucket, _, key = arn.split(":", 5)[5].partition("/")
    if action == "s3:GetObject":
        found = ((s3._buckets.get(bucket) or {}).get("objects") or {}).get(key) or {}
        headers = s3._stored_sse_headers(found)
    else:
        headers = s3._bucket_default_sse_headers(bucket)
    return read_headers(headers)


def read_headers(headers: Mapping[str, str]) -> str:
    """The key that an object's headers name; "" for one without."""
    if headers.get(ALGORITHM) != "aws:kms":
        return ""
    return str(headers.get(KEY_ID) or "alias/aws/s3")


def _read_secret(arn: str, action: str) -> str:
    from ministack.services import secretsmanager

    _, secret = secretsmanager._resolve(arn)
    return str((secret or {}).get("KmsKeyId") or "")


_READERS: Mapping[str, Callable[[str, str], str]] = {
    "dynamodb": _read_table,
    "kinesis": _read_stream,
    "s3": _read_object,
    "secretsmanager": _read_secret,
    "sns": _read_topic,
    "sqs": _read_queue,
}


BAD_REQUESTS = frozenset(
    {
        ("dynamodb", ""),
        ("dynamodb", "AccessDeniedException"),
        ("kinesis", "KMSAccessDeniedException"),
        ("s3", "KMS.DisabledException"),
        ("s3", "KMS.KMSInvalidStateException"),
        ("s3", "KMS.NotFoundException"),
        ("secretsmanager", "AccessDeniedException"),
        ("sns", "KMSAccessDenied"),
        ("sqs", "KMS.AccessDeniedException"),
        ("ssm", "AccessDeniedException"),
        ("ssm", "InvalidKeyId"),
    }
)
"""Services and codes of denials that come with status 400; "" is a policy's plain denial."""


def word_refusal(service: str, refused: Denial) -> tuple[str, str]:
    """Code and message of the service's answer when its caller may not use the key.

    "Common Errors" and the errors of the actions in each API reference.
    """
    why = (
        f"User: {refused.principal} is not authorized to perform: {refused.action} on resource: "
        f"{refused.resource} because no identity-based policy allows the {refused.action} action"
    )
    match service:
        case "ssm":
            return "AccessDeniedException", why
        case "dynamodb":
            return "AccessDeniedException", f"KMS key access denied error: {why}"
        case "sqs":
            return "KMS.AccessDeniedException", why
        case "sns":
            return "KMSAccessDenied", why
        case "kinesis":
            return "KMSAccessDeniedException", why
        case "secretsmanager":
            return "AccessDeniedException", "Access to KMS is not allowed"
        case _:
            return "AccessDenied", why


def word_unusable(service: str, need: KeyNeed) -> tuple[str, str]:
    """The same when the key does not exist, or is not enabled."""
    why, message = _explain_state(need.key)
    match service:
        case "s3":
            return f"KMS.{why}", message
        case "ssm":
            return "InvalidKeyId", message
    code, _ = word_refusal(service, Denial("", need.actions[0], need.key))
    return code, f"{need.key} does not exist or is not enabled."


def _explain_state(key: str) -> tuple[str, str]:
    """AWS KMS's own code and words for a key that it will not use."""
    from ministack.services import kms

    record = kms._resolve_key(key)
    answer = kms._check_key_state(record) if record else None
    if answer is None:
        return "NotFoundException", f"Invalid keyId '{key}'"
    told = json.loads(answer[2])
    return str(told["__type"]), str(told["message"])
