"""Releases: what was applied, numbered and never changed, in the artifact bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from fairway.aws import Aws


@dataclass(frozen=True)
class Release:
    """One application of a plan.

    stacks: digest of each stack's template; templates are kept beside the release.
    parameters: the values each stack was given. seconds: how long it took.
    started: ISO 8601, UTC. revision: of the source, when it is under version control.
    """

    number: int
    app: str
    environment: str
    started: str
    seconds: float
    actor: str
    revision: str | None
    outcome: Literal["succeeded", "failed"]
    stacks: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, str]]
    artifacts: Mapping[str, str]


def list_releases(aws: Aws, bucket: str, app: str, environment: str) -> list[int]:
    """Numbers of the releases so far, in order."""
    pages = aws.s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"releases/{app}/{environment}/"
    )
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return sorted(int(key.rsplit("/", 1)[1].removesuffix(".json")) for key in keys)


def write_release(aws: Aws, bucket: str, release: Release) -> None:
    """Store a release; its number must be free."""
    aws.s3.put_object(
        Bucket=bucket,
        Key=f"releases/{release.app}/{release.environment}/{release.number:06d}.json",
        Body=json.dumps(asdict(release), indent=1).encode(),
        ContentType="application/json",
        IfNoneMatch="*",
    )


def read_release(aws: Aws, bucket: str, app: str, environment: str, number: int) -> Release:
    """Read a release back."""
    key = f"releases/{app}/{environment}/{number:06d}.json"
    body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return Release(**json.loads(body))
