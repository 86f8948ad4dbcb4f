"""What a request is to a policy where ministack takes it for something else.

A request about a backup of a table acts on the backup, and on the table that it becomes: page
"Actions, resources, and condition keys for Amazon DynamoDB". ministack names neither, so that
no policy but one for `*` allowed it. A batch of messages needs what each of them needs: page
"Amazon SQS API permissions: Actions and resource reference". There are no actions for batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

ListResources = Callable[[bytes, str, str], list[str]]


def patch_requests(iam_actions: Any) -> None:
    """Correct what ministack makes of requests. iam_actions: its module."""
    iam_actions.dynamodb_resource_arns = name_backups(iam_actions.dynamodb_resource_arns)
    iam_actions.extract_iam_action = name_batches(iam_actions.extract_iam_action)


def name_batches(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """The action of a request, or None without one. original: ministack's."""

    def extract(*arguments: Any, **named: Any) -> str | None:
        action = original(*arguments, **named)
        is_batch = action is not None and action.startswith("sqs:") and action.endswith("Batch")
        return action.removesuffix("Batch") if action and is_batch else action

    return extract


def name_backups(original: ListResources) -> ListResources:
    """The resources of a request to DynamoDB. original: ministack's, for all other requests."""

    def list_resources(body: bytes, region: str, account: str) -> list[str]:
        if b'"BackupArn"' not in body:
            return original(body, region, account)
        return _read_backup(body, region, account) or original(body, region, account)

    return list_resources


def _read_backup(body: bytes, region: str, account: str) -> list[str]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return []
    backup = found.get("BackupArn") if isinstance(found, dict) else None
    if not isinstance(backup, str) or not backup.startswith("arn:"):
        return []
    target = found.get("TargetTableName")
    if not isinstance(target, str) or not target:
        return [backup]
    table = target if target.startswith("arn:") else _name_table(target, region, account)
    return [table, backup]


def _name_table(name: str, region: str, account: str) -> str:
    return f"arn:aws:dynamodb:{region}:{account}:table/{name}"
