"""What goes into the artifact bucket, and objects that must go before their bucket does."""

from __future__ import annotations

import time

from fairway.apply.stack_operation import LARGEST_BODY
from fairway.apply.store import Store
from fairway.aws import Aws
from fairway.bundle.artifact import Artifact
from fairway.compile.template import StackTemplate
from fairway.errors import DeploymentFailed
from fairway.events import Report, StepFinished, StepStarted
from fairway.plan.model import Action, StackPlan


def upload_artifact(store: Store, artifact: Artifact, report: Report) -> None:
    """Bring an archive into the bucket."""
    step, began = f"upload {artifact.name}", time.monotonic()
    report(StepStarted(step))
    try:
        with artifact.path.open("rb") as body:
            store.aws.s3.put_object(
                Bucket=store.bucket, Key=artifact.key, Body=body, ChecksumAlgorithm="SHA256"
            )
    except OSError as error:
        raise DeploymentFailed(
            f"the archive of {artifact.name} ({artifact.digest[:12]}) is neither in the artifact "
            "bucket nor here",
            hint="apply the definition anew, which builds it",
        ) from error
    size = f"{artifact.size / 1024:.0f} KiB"
    report(StepFinished(step, time.monotonic() - began, size))


def upload_template(store: Store, template: StackTemplate) -> str | None:
    """Keep the template with the releases; its URL when it is too large for a request."""
    body = template.to_json().encode()
    key = template_key(template.digest)
    store.keep(key, body)
    if len(body) <= LARGEST_BODY:
        return None
    return store.aws.s3.generate_presigned_url(
        "get_object", Params={"Bucket": store.bucket, "Key": key}, ExpiresIn=3600
    )


def template_key(digest: str) -> str:
    """Where a template lies in the artifact bucket."""
    return f"templates/{digest}.json"


def empty_buckets(aws: Aws, stack: StackPlan) -> None:
    """Remove the objects of buckets that go: CloudFormation does not delete full ones."""
    for change in stack.changes:
        goes = change.resource_type == "AWS::S3::Bucket" and change.action is Action.DELETE
        if goes and change.physical_id:
            empty_bucket(aws, change.physical_id)


def remove_left_buckets(aws: Aws, stack: StackPlan) -> None:
    """Remove buckets that an update was to delete and left, because they held objects.

    "UpdateReplacePolicy attribute" and "Bucket": CloudFormation deletes empty buckets only, and
    an update that cannot remove what is old completes all the same.
    """
    from botocore.exceptions import ClientError

    for change in stack.changes:
        goes = change.action is Action.DELETE or (
            change.action is Action.REPLACE and not change.keeps_old
        )
        if change.resource_type == "AWS::S3::Bucket" and goes and change.physical_id:
            empty_bucket(aws, change.physical_id)
            try:
                aws.s3.delete_bucket(Bucket=change.physical_id)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                    raise


def empty_bucket(aws: Aws, bucket: str) -> None:
    """Remove every version of every object; a bucket that is gone is empty."""
    from botocore.exceptions import ClientError

    try:
        pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": o["Key"], "VersionId": o["VersionId"]} for o in found]
            if objects:
                aws.s3.delete_objects(
                    Bucket=bucket,
                    Delete={"Objects": objects, "Quiet": True},  # type: ignore[typeddict-item]
                )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise
