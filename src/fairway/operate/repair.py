"""Stacks that are stuck: what hinders them, told by their last events, and the way out.

AWS CloudFormation User Guide, "Troubleshooting CloudFormation": "Update rollback failed",
"Delete stack fails"; API reference, ContinueUpdateRollback and DeleteStack.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fairway.apply.stuck import STUCK
from fairway.apply.uploading import empty_bucket
from fairway.aws import Aws, explain_client_error
from fairway.aws.stacks import describe_stack
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.define import App
from fairway.errors import DeploymentFailed, FairwayError
from fairway.plan.observe import find_stacks
from fairway.plan.waiting import Pace

_FULL = re.compile(r"(?i)not empty")
_IN_USE = re.compile(r"(?i)dependent object|in use|has dependencies|DependencyViolation")


@dataclass(frozen=True)
class Hindrance:
    """A resource that the last operation failed on, and what it said."""

    logical_id: str
    resource_type: str
    physical_id: str
    reason: str

    @property
    def is_full_bucket(self) -> bool:
        """Whether it is a bucket that holds objects."""
        return self.resource_type == "AWS::S3::Bucket" and bool(_FULL.search(self.reason))

    @property
    def is_in_use(self) -> bool:
        """Whether something else still uses it, as the interfaces of a function do for a while."""
        return bool(_IN_USE.search(self.reason))


@dataclass(frozen=True)
class Trouble:
    """A stuck stack. means, mended_by: in words; hindrances: the newest failures of its end."""

    stack: str
    status: str
    means: str
    mended_by: str
    hindrances: tuple[Hindrance, ...] = ()


@dataclass(frozen=True)
class Remedy:
    """What may be done about troubles.

    empty: buckets to empty, by logical id. skip: resources that a rollback leaves as they are.
    keep: resources that a deletion leaves in the account.
    """

    empty: Collection[str] = ()
    skip: Collection[str] = ()
    keep: Collection[str] = ()
    pace: Pace = field(default_factory=Pace)


def find_troubles(app: App, aws: Aws) -> list[Trouble]:
    """The application's stacks that are stuck, dependants first."""
    names = [ARTIFACTS_STACK, *find_stacks(aws, app)]
    found = [_diagnose(aws, name) for name in reversed(names)]
    return [trouble for trouble in found if trouble is not None]


def _diagnose(aws: Aws, name: str) -> Trouble | None:
    stack = describe_stack(aws, name)
    state = STUCK.get(stack["StackStatus"]) if stack else None
    if stack is None or state is None:
        return None
    status = stack["StackStatus"]
    found = {h.logical_id: h for h in reversed(list(_read_hindrances(aws, name, status)))}
    return Trouble(name, status, state.means, state.mended_by, tuple(found.values()))


def _read_hindrances(aws: Aws, name: str, stack_status: str) -> Iterator[Hindrance]:
    """Failures since the stack began what it ended badly; the newest first.

    Of a rollback that failed only its own: others were why it was begun.
    """
    rolling = stack_status == "UPDATE_ROLLBACK_FAILED"
    pages = aws.cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
    for page in pages:
        for event in page["StackEvents"]:
            status = event.get("ResourceStatus", "")
            if event.get("LogicalResourceId") == name:
                if status.endswith("_IN_PROGRESS") and rolling == ("ROLLBACK" in status):
                    return
            elif status.endswith("_FAILED"):
                yield Hindrance(
                    event.get("LogicalResourceId", ""),
                    event.get("ResourceType", ""),
                    event.get("PhysicalResourceId", ""),
                    event.get("ResourceStatusReason", ""),
                )


def mend(aws: Aws, trouble: Trouble, remedy: Remedy) -> str:
    """Bring one stack out of its state; the state that it has then.

    Raises FairwayError when something must be named first, DeploymentFailed when it did not work.
    """
    from botocore.exceptions import ClientError

    client, name = aws.cloudformation, trouble.stack
    try:
        match trouble.status:
            case "UPDATE_ROLLBACK_FAILED":
                skip = [h.logical_id for h in trouble.hindrances if h.logical_id in remedy.skip]
                client.continue_update_rollback(StackName=name, ResourcesToSkip=skip)
            case "UPDATE_FAILED":
                client.rollback_stack(StackName=name)
            case "DELETE_FAILED":
                _clear_way(aws, trouble, remedy)
                keep = [h.logical_id for h in trouble.hindrances if h.logical_id in remedy.keep]
                client.delete_stack(StackName=name, RetainResources=keep)
            case _:
                client.delete_stack(StackName=name)
    except ClientError as error:
        raise DeploymentFailed(
            f"{name} could not be mended: {explain_client_error(error)}"
        ) from error
    status = _await_rest(aws, name, remedy.pace)
    if status.endswith("_FAILED"):
        raise _explain_still_stuck(aws, name, status)
    return status


def _clear_way(aws: Aws, trouble: Trouble, remedy: Remedy) -> None:
    """Empty the buckets that hold a deletion up, which somebody must have named."""
    full = [h for h in trouble.hindrances if h.is_full_bucket and h.logical_id not in remedy.keep]
    unnamed = [h for h in full if h.logical_id not in remedy.empty]
    if unnamed:
        options = " ".join(f"--empty {h.logical_id}" for h in unnamed)
        raise FairwayError(
            f"{trouble.stack} is held up by objects in "
            f"{', '.join(f'{h.logical_id} ({h.physical_id})' for h in unnamed)}",
            hint=f"{options} deletes them for good; --keep leaves the bucket in the account",
        )
    for hindrance in full:
        empty_bucket(aws, hindrance.physical_id)


def _await_rest(aws: Aws, name: str, pace: Pace) -> str:
    for beat in pace.beats():
        stack = describe_stack(aws, name)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if beat and not status.endswith("_IN_PROGRESS"):
            return status
        if not status.endswith(("_IN_PROGRESS", "_FAILED")):
            return status
    raise AssertionError("beats are endless")


def _explain_still_stuck(aws: Aws, name: str, status: str) -> DeploymentFailed:
    found = _diagnose(aws, name)
    hindrances = found.hindrances if found else ()
    what = "; ".join(f"{h.logical_id}: {h.reason}" for h in hindrances[:3])
    return DeploymentFailed(
        f"{name} is {status} still: {what or 'no reason was given'}",
        hint=suggest(found) if found else "see its events",
    )


def suggest(trouble: Trouble) -> str:
    """What to do about a trouble, as the options of `fairway repair`."""
    names = [h.logical_id for h in trouble.hindrances]
    if trouble.status == "UPDATE_ROLLBACK_FAILED" and names:
        options = " ".join(f"--skip {name}" for name in names)
        return f"mend the cause and repair again, or leave them as they are: {options}"
    full = [h.logical_id for h in trouble.hindrances if h.is_full_bucket]
    if trouble.status == "DELETE_FAILED" and full:
        return " ".join(f"--empty {name}" for name in full) + " deletes their objects for good"
    if any(h.is_in_use for h in trouble.hindrances):
        # "Giving Lambda functions access to resources in an Amazon VPC": up to 20 minutes.
        return (
            "interfaces of functions stay for 20 minutes and more after the function is gone: "
            "repair again then; or find what else uses it"
        )
    if trouble.status == "DELETE_FAILED" and names:
        options = " ".join(f"--keep {name}" for name in names)
        return f"mend the cause and repair again, or leave them in the account: {options}"
    return "repair again"
