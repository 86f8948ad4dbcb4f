"""What holds data and is about to be replaced or deleted: only with its name given as consent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from fairway.aws import Aws
from fairway.errors import FairwayError
from fairway.plan.impact import is_own
from fairway.plan.model import Action, Change, Plan


class ConsentMissing(FairwayError):
    """What would be done needs consent, as what holds data does to go, and nobody gave it."""

    code = "consent-missing"


@dataclass(frozen=True)
class Endangered:
    """A resource with data that a plan replaces or deletes.

    name: what the user calls it. holds: what is in it, in words. can_back_up: whether a
    backup is made first.
    """

    name: str
    verb: Literal["replace", "delete"]
    change: Change
    holds: str
    can_back_up: bool

    @property
    def option(self) -> str:
        """The option that consents."""
        return f"--{self.verb} {self.name}"


def _look_into_table(aws: Aws, name: str) -> str:
    answer = aws.dynamodb.scan(TableName=name, Limit=1, Select="COUNT")
    # A page may hold none and still not be the last.
    return "rows" if answer["Count"] or answer.get("LastEvaluatedKey") else ""


def _look_into_bucket(aws: Aws, name: str) -> str:
    answer = aws.s3.list_object_versions(Bucket=name, MaxKeys=1)
    return "objects" if answer.get("Versions") or answer.get("DeleteMarkers") else ""


def _look_into_queue(aws: Aws, name: str) -> str:
    stem = "ApproximateNumberOfMessages"
    names = [stem, f"{stem}NotVisible", f"{stem}Delayed"]
    answer: Any = aws.sqs.get_queue_attributes(QueueUrl=name, AttributeNames=names)
    return "messages" if any(int(count) for count in answer["Attributes"].values()) else ""


def _suppose_database(aws: Aws, name: str) -> str:
    return "a database"


QUEUE = "AWS::SQS::Queue"

# Type to: what tells whether it holds anything, and whether apply can back it up.
STATEFUL: dict[str, tuple[Callable[[Aws, str], str], bool]] = {
    "AWS::DynamoDB::Table": (_look_into_table, True),
    "AWS::DynamoDB::GlobalTable": (_look_into_table, True),
    "AWS::S3::Bucket": (_look_into_bucket, True),
    QUEUE: (_look_into_queue, True),
    "AWS::RDS::DBCluster": (_suppose_database, False),
    "AWS::RDS::DBInstance": (_suppose_database, False),
}


def find_endangered(plan: Plan, aws: Aws) -> list[Endangered]:
    """What the plan replaces or deletes although it holds data; asks each resource."""
    found = []
    for _, change in plan.changes():
        if change.action not in (Action.REPLACE, Action.DELETE) or not change.physical_id:
            continue
        if change.resource_type not in STATEFUL or not is_own(change):
            continue
        look, can_back_up = STATEFUL[change.resource_type]
        holds = _look(look, aws, change.physical_id)
        if holds:
            verb: Literal["replace", "delete"] = (
                "replace" if change.action is Action.REPLACE else "delete"
            )
            name = change.component or change.logical_id
            found.append(Endangered(name, verb, change, holds, can_back_up))
    return found


def _look(look: Callable[[Aws, str], str], aws: Aws, name: str) -> str:
    """What a resource holds; one that is gone holds nothing."""
    from botocore.exceptions import ClientError

    try:
        return look(aws, name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "") in _GONE:
            return ""
        raise


_GONE = (
    "ResourceNotFoundException",
    "NoSuchBucket",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
)


def require_named(endangered: Collection[Endangered], named: Collection[tuple[str, str]]) -> None:
    """Raise ConsentMissing unless each was named; named: pairs of verb and name."""
    missing = [e for e in endangered if (e.verb, e.name) not in named]
    if not missing:
        return
    what = ", ".join(f"{e.name} (holds {e.holds})" for e in missing)
    verbs = "/".join(sorted({e.verb for e in missing}))
    options = " ".join(dict.fromkeys(e.option for e in missing))
    raise ConsentMissing(
        f"this would {verbs} {what}; nothing was changed",
        hint=f"if that is meant, name it: {options}",
    )
