"""Stacks and prefix lists as AWS tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fairway.aws.endpoint import Aws, explain_client_error, explain_no_answer
from fairway.errors import DeploymentFailed

# Stacks in these states hold nothing: they are made anew.
EMPTY_STATES = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})


def describe_stack(aws: Aws, name: str) -> dict[str, Any] | None:
    """CloudFormation's description of a stack, or None when there is none."""
    from botocore.exceptions import ClientError

    with _explaining_refusal(f"describe {name}", "DescribeStacks"):
        try:
            answer = aws.cloudformation.describe_stacks(StackName=name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
    stack: dict[str, Any] = dict(answer["Stacks"][0])
    return stack


def tell_change(stack: dict[str, Any]) -> str:
    """Which stack this is and when it was last changed: equal as long as nobody touched it."""
    at = stack.get("LastUpdatedTime") or stack.get("CreationTime") or ""
    return f"{stack.get('StackId', '')} {at}"


def list_stacks(aws: Aws) -> list[str]:
    """The names of all stacks in the account and region that are not deleted."""
    return list(list_states(aws))


def list_states(aws: Aws) -> dict[str, str]:
    """All stacks in the account and region that are not deleted: name to status."""
    return {name: stack["StackStatus"] for name, stack in list_summaries(aws).items()}


def list_summaries(aws: Aws) -> dict[str, dict[str, Any]]:
    """All stacks in the account and region that are not deleted, as ListStacks tells them.

    They tell status, id and times as DescribeStacks does ("StackSummary"), a hundred at once.
    """
    with _explaining_refusal("list stacks", "ListStacks"):
        pages = aws.cloudformation.get_paginator("list_stacks").paginate()
        found = [stack for page in pages for stack in page["StackSummaries"]]
    return {
        stack["StackName"]: dict(stack)
        for stack in found
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def find_prefix_list(aws: Aws, service: str) -> str:
    """The id of AWS's own prefix list of a service in the region."""
    name = f"com.amazonaws.{aws.endpoint.region}.{service}"
    answer = aws.ec2.describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}]
    )
    lists = answer["PrefixLists"]
    if not lists:
        raise DeploymentFailed(
            f"there is no prefix list {name}", hint=f"is {service} offered in this region?"
        )
    return lists[0]["PrefixListId"]


@contextmanager
def _explaining_refusal(doing: str, action: str) -> Iterator[None]:
    """Raise DeploymentFailed where CloudFormation refuses an action, or who does not answer."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    try:
        yield
    except ClientError as error:
        raise DeploymentFailed(
            f"CloudFormation refused to {doing}: {explain_client_error(error)}",
            hint=f"check that the credentials are valid and allow cloudformation:{action}",
        ) from error
    except (NoConnection, HTTPClientError) as error:
        raise explain_no_answer(error) from error
