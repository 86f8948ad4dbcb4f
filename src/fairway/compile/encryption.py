"""Keys of the application's own, one for the network stack and one for everything else.

Two keys, because the network stack comes first and depends on nothing.
"""

from __future__ import annotations

from typing import Any

from fairway.compile.draft import Draft, StackDraft
from fairway.compile.template import Origin, get_att, policy, ref, sub


def data_key(draft: Draft) -> dict[str, Any] | None:
    """The data stack's key as the data stack itself names it; None with AWS's keys."""
    return _own_key(draft, draft.data)


def share_key(draft: Draft, taker: StackDraft) -> dict[str, Any] | None:
    """The data stack's key, handed on to another stack; None with AWS's keys."""
    if data_key(draft) is None:
        return None
    return draft.share(
        draft.data, taker, "KeyArn", get_att("Key", "Arn"), "ARN of the encryption key"
    )


def network_key(draft: Draft) -> dict[str, Any] | None:
    """The network stack's key."""
    return _own_key(draft, draft.network)


def log_group_prefix(draft: Draft) -> str:
    """The start of every log group's name."""
    return f"/fairway/{draft.app.name}/{draft.app.environment}"


def add_log_group(
    stack: StackDraft,
    draft: Draft,
    logical_id: str,
    name: str,
    seconds: int,
    key: dict[str, Any] | None,
    origin: Origin,
) -> str:
    """Add a log group with retention and, where there is one, the key; returns its name."""
    properties: dict[str, Any] = {
        "LogGroupName": f"{log_group_prefix(draft)}/{name}",
        "RetentionInDays": seconds // 86400,
    }
    if key:
        properties["KmsKeyId"] = key
    stack.add(
        logical_id,
        "AWS::Logs::LogGroup",
        properties,
        origin,
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
    return str(properties["LogGroupName"])


def _own_key(draft: Draft, stack: StackDraft) -> dict[str, Any] | None:
    if draft.app.encryption == "aws-key":
        return None
    if "Key" not in stack.resources:
        _add_key(draft, stack)
    return get_att("Key", "Arn")


def _add_key(draft: Draft, stack: StackDraft) -> None:
    path = ("encryption",) if "encryption" in draft.app.tree.entries else ("app",)
    origin = Origin(stack.layer, path, {})
    tables_kept = stack.layer == "data"
    stack.add(
        "Key",
        "AWS::KMS::Key",
        {
            "Description": f"Encrypts the {stack.layer} of {draft.app.prefix}",
            "EnableKeyRotation": True,
            "KeyPolicy": policy(*_key_statements(draft)),
        },
        origin,
        # A kept table cannot be read without its key.
        DeletionPolicy="RetainExceptOnCreate" if tables_kept else "Delete",
        UpdateReplacePolicy="Retain" if tables_kept else "Delete",
    )
    alias = f"alias/{draft.app.prefix}-{stack.layer}"
    stack.add(
        "KeyAlias", "AWS::KMS::Alias", {"AliasName": alias, "TargetKeyId": ref("Key")}, origin
    )


def _key_statements(draft: Draft) -> list[dict[str, Any]]:
    """Who may use the key: whom IAM allows, and CloudWatch Logs for our log groups.

    The second follows "Encrypt log data in CloudWatch Logs using AWS KMS".
    """
    groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    return [
        {
            "Sid": "Administration",
            "Effect": "Allow",
            "Principal": {"AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": {"Service": sub("logs.${AWS::Region}.${AWS::URLSuffix}")},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*",
                       "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": sub(
                        f"{groups}{log_group_prefix(draft)}/*"
                    )
                }
            },
        },
    ]  # fmt: skip
