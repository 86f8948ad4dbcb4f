"""A release of one environment into another: its definition and its very bytes."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

from fairway.apply import Provenance, Release
from fairway.apply.release import read_release
from fairway.apply.store import Store, find_store
from fairway.aws import Aws
from fairway.aws.stacks import find_prefix_list
from fairway.bundle import Artifact
from fairway.bundle.archive import CHUNK, Member, digest_members, measure_member
from fairway.compile import compile_app
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import find_deployed
from fairway.define import LOCAL, App
from fairway.define.definition import define_text
from fairway.errors import FairwayError
from fairway.operate.history import read_good
from fairway.plan import Plan, plan_changes
from fairway.plan.given_code import observe_code
from fairway.plan.observe import find_stacks, observe_stacks


def find_release(source: App, aws: Aws, number: int | None) -> tuple[Release, str]:
    """The release to promote, the newest good one when not said, and its definition's text."""
    store = find_store(aws)
    release = None
    if store is not None and number is not None:
        release = read_release(store, source.name, source.environment, number)
    elif store is not None:
        release = next(read_good(store, source.name, source.environment), None)
    if store is None or release is None or not release.is_good:
        which = f"release {number}" if number is not None else "release"
        raise FairwayError(
            f"{source.name} has no good {which} in {source.environment} to promote",
            hint=f"`fairway history -e {source.environment}` lists them",
        )
    stored = store.read(f"definitions/{release.definition}.yml") if release.definition else None
    if stored is None:
        raise FairwayError(
            f"release {release.number} of {source.environment} did not keep its definition",
            hint=f"apply once more in {source.environment}, then promote that",
        )
    return release, stored.body.decode()


def require_promotable(source: str, target: str) -> None:
    """Raise FairwayError for environments between which nothing can be promoted."""
    if target == source:
        raise FairwayError(
            f"a release of {target} is in {target} already",
            hint="to go back to an earlier one: `fairway rollback`",
        )
    if LOCAL in (target, source):
        raise FairwayError(
            "what runs on this machine was built for this machine, and is not promoted",
            hint="use `fairway apply -e ENV`: the code is built for Lambda there",
        )


def define_target(source: App, definition: str, there: App) -> App:
    """The application of a released definition, as another environment sees it.

    there: that environment as the file has it today, which says where it is, how it is reached
    and whose consent it needs: that is no part of what was released.
    """
    released = define_text(definition, source.root, there.environment).require_app()
    return replace(
        released,
        region=there.region,
        account=there.account,
        profile=there.profile,
        role=there.role,
        approve=there.approve,
    )


def plan_promotion(
    target: App,
    release: Release,
    source_aws: Aws,
    aws: Aws,
    cache: Path,
    provenance: Provenance,
    definition: str,
) -> tuple[Plan, Provenance]:
    """plan: the release's definition with the target's settings, and the release's archives.

    cache: where archives wait that the target's bucket lacks. Raises FairwayError when the
    target's settings need other bytes.
    """
    observed = observe_stacks(aws, [ARTIFACTS_STACK, *find_stacks(aws, target)])
    observed = observe_code(aws, target.name, target.environment, observed)
    deployed = find_deployed(target, {name: s.template for name, s in observed.items()})
    templates = compile_app(target, deployed)
    others = {s.name for s in templates.sources} - release.artifacts.keys()
    if others:
        raise FairwayError(
            f"{target.environment} needs other code than release {release.number} of "
            f"{release.environment} has: {', '.join(sorted(others))}",
            hint="give both environments the same `source`, `runtime` and `architecture`",
        )
    needed = {s.name for s in templates.sources}
    artifacts = [
        _fetch(Artifact(n, d, cache / f"{d}.zip", 0), source_aws, aws)
        for n, d in release.artifacts.items()
        if n in needed
    ]
    plan = plan_changes(
        target,
        templates,
        artifacts,
        observed,
        find_prefix_list=lambda service: find_prefix_list(aws, service),
    )
    return plan, replace(
        provenance,
        kind="promote",
        origin=f"{release.environment}/{release.number}",
        revision=release.revision,
        definition=definition,
    )


def _fetch(artifact: Artifact, source: Aws, target: Aws) -> Artifact:
    """Have the archive here unless the target has it; the upload is apply's."""
    there = find_store(target)
    if there is not None and there.has(artifact.key):
        return artifact
    store: Store | None = find_store(source)
    if store is None or not store.has(artifact.key):
        raise FairwayError(
            f"the archive of {artifact.name} is no longer kept",
            hint="apply the revision anew, then promote that",
        )
    artifact.path.parent.mkdir(parents=True, exist_ok=True)
    fresh = artifact.path.with_suffix(".writing")
    try:
        source.s3.download_file(store.bucket, artifact.key, str(fresh))
        found = digest_archive(fresh)
        if found != artifact.digest:
            raise FairwayError(
                f"the archive of {artifact.name} in s3://{store.bucket}/{artifact.key} is not what "
                f"was released: its content is {found[:12]}, and not {artifact.digest[:12]}",
                hint="apply the revision anew, then promote that; and find out who wrote it",
            )
        fresh.replace(artifact.path)
    finally:
        fresh.unlink(missing_ok=True)
    return replace(artifact, size=artifact.path.stat().st_size)


def digest_archive(path: Path) -> str:
    """The digest of an archive's content, as artifacts are named; other bytes, another digest."""
    try:
        with zipfile.ZipFile(path) as archive:
            return digest_members(_measure(archive, item) for item in archive.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        return f"not readable ({error})"


def _measure(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Member:
    executable = bool(item.external_attr >> 16 & 0o111)
    with archive.open(item) as file:
        return measure_member(item.filename, executable, iter(lambda: file.read(CHUNK), b""))
