"""What code runs in functions that were given it directly, past their stack's parameters.

Lambda alone knows what runs. Which functions are to be asked about, and which archive of ours has
which CodeSha256, stands in a note beside the releases: `code/APP/ENV.json`. Nearly always there is
none. One that names too much costs a question: it is written before anything is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from fairway.aws import Aws, explain_client_error
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.errors import DeploymentFailed
from fairway.events import Notice, Report, ignore_events
from fairway.plan.model import ObservedStack
from fairway.plan.short_way import UNKNOWN_CODE

FORMAT = 1
NOTES = "code/"
_AT_ONCE = 8  # functions asked about side by side; "Lambda quotas": 100 GetFunction a second

Place = tuple[str, str]  # a stack's name and a logical id


@dataclass(frozen=True, slots=True)
class Given:
    """A function by its name in Lambda, and the archive that it was meant to run last.

    towards: the archive that an apply is about to give it; what it runs is as meant then too, so
    that nobody takes back what an apply gave that was interrupted. Empty when that is settled.
    """

    function: str
    key: str
    towards: str = ""


@dataclass(frozen=True)
class CodeNote:
    """What functions were given directly. archives: Lambda's CodeSha256 to an archive's key."""

    functions: Mapping[Place, Given] = field(default_factory=dict)
    archives: Mapping[str, str] = field(default_factory=dict)


def note_key(app: str, environment: str) -> str:
    """Where the note lies in the artifact bucket."""
    return f"{NOTES}{app}/{environment}.json"


def list_notes(aws: Aws, bucket: str) -> list[str]:
    """The keys of all notes, of many applications: nearly always there is none."""
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=NOTES)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def dump_note(note: CodeNote) -> bytes:
    """The note as it is stored."""
    functions = [
        {"stack": stack, "logical_id": logical_id, **asdict(given)}
        for (stack, logical_id), given in sorted(note.functions.items())
    ]
    content = {"format": FORMAT, "functions": functions, "archives": dict(note.archives)}
    return json.dumps(content, indent=1, sort_keys=True).encode()


def parse_note(body: bytes) -> CodeNote:
    """The note from what is stored. Raises DeploymentFailed when it cannot be read."""
    try:
        content = json.loads(body)
        if content["format"] != FORMAT:
            raise DeploymentFailed(
                "a later Fairway gave functions their code directly, and noted it in a way that "
                "this one cannot read",
                hint="use that version",
            )
        functions = {
            (item["stack"], item["logical_id"]): Given(
                item["function"], item["key"], item.get("towards", "")
            )
            for item in content["functions"]
        }
        return CodeNote(functions, dict(content["archives"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeploymentFailed(
            "the note of the code that functions were given directly cannot be read",
            hint=f"the bucket keeps its versions: put the last good one below {NOTES} back",
            detail=f"{type(error).__name__}: {error}",
        ) from error


def observe_code(
    aws: Aws,
    app: str,
    environment: str,
    observed: Mapping[str, ObservedStack],
    report: Report = ignore_events,
) -> dict[str, ObservedStack]:
    """The stacks with the code that runs, where it may not be what their parameters say.

    Raises DeploymentFailed when that is not to be found out: a plan must not guess.
    """
    note = _read_note(aws, app, environment, observed) or CodeNote()
    # A function that was replaced since has the code of its stack's parameters.
    live = {
        (stack, logical_id): given
        for (stack, logical_id), given in note.functions.items()
        if stack in observed and observed[stack].physical_ids.get(logical_id) == given.function
    }
    codes: dict[str, dict[str, str]] = {}
    for (stack, logical_id), digest in _ask_for_code(aws, live).items():
        key = note.archives.get(digest, f"{UNKNOWN_CODE}{digest}")
        codes.setdefault(stack, {})[logical_id] = key
        given = live[stack, logical_id]
        if key not in (given.key, given.towards):
            report(Notice(f"{logical_id} of {stack} runs other code than it was given last"))
    return {name: replace(one, codes=codes.get(name, {})) for name, one in observed.items()}


def read_code_digest(aws: Aws, function: str) -> str | None:
    """Lambda's CodeSha256 of what a function runs; None when there is no such function."""
    try:
        return aws.lambda_.get_function(FunctionName=function)["Configuration"]["CodeSha256"]
    except aws.lambda_.exceptions.ResourceNotFoundException:
        return None


def _read_note(
    aws: Aws, app: str, environment: str, observed: Mapping[str, ObservedStack]
) -> CodeNote | None:
    from botocore.exceptions import ClientError

    there = observed.get(ARTIFACTS_STACK)
    bucket = there.outputs.get("BucketName") if there else None
    if bucket is None:
        return None
    try:
        found = aws.s3.get_object(Bucket=bucket, Key=note_key(app, environment))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise DeploymentFailed(
            f"S3 refused to tell which code {app} runs: {explain_client_error(error)}",
            hint=f"allow s3:GetObject and s3:ListBucket on {bucket}",
        ) from error
    return parse_note(found["Body"].read())


def _ask_for_code(aws: Aws, functions: Mapping[Place, Given]) -> dict[Place, str]:
    """What each function runs; those that are gone are left out, which CloudFormation will tell."""
    from botocore.exceptions import ClientError

    if not functions:
        return {}
    try:
        client = aws.lambda_  # made once, before threads use it
        assert client is not None
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            names = [given.function for given in functions.values()]
            digests = list(pool.map(lambda name: read_code_digest(aws, name), names))
    except ClientError as error:
        raise DeploymentFailed(
            f"Lambda refused to tell what code runs: {explain_client_error(error)}",
            hint="allow lambda:GetFunction on the application's functions",
        ) from error
    found = zip(functions, digests, strict=True)
    return {place: digest for place, digest in found if digest is not None}
