"""Releases: what was applied, numbered and never changed, in the artifact bucket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from fairway.apply.store import Store
from fairway.compile.template import (
    ArtifactBucket,
    ArtifactKey,
    Layer,
    ParameterSource,
    PrefixList,
    StackOutput,
    StackTemplate,
)
from fairway.plan.model import Action, Plan

Outcome = Literal["running", "succeeded", "failed", "interrupted"]
Kind = Literal["apply", "up", "destroy", "rollback", "promote"]

# Parameter sources by the name that they are stored under.
_SOURCES: dict[str, type[ParameterSource]] = {
    "stack-output": StackOutput,
    "artifact-bucket": ArtifactBucket,
    "artifact-key": ArtifactKey,
    "prefix-list": PrefixList,
}


@dataclass(frozen=True)
class Provenance:
    """Who applies what, and from where; told by the caller and kept in the release.

    revision: of the source, when it is under version control. definition: the text of
    fairway.yml. kind: the verb; origin: the release that a rollback or promotion takes.
    """

    actor: str = "unknown"
    revision: str | None = None
    definition: str = ""
    kind: Kind = "apply"
    origin: str = ""


NOBODY = Provenance()


@dataclass(frozen=True)
class StackRecord:
    """One stack of a release.

    digest: of its template, which lies under `templates/`. sources: where each parameter
    comes from. parameters, outputs: the values; empty where applying did not come so far.
    """

    digest: str
    layer: Layer
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """One application of a plan.

    started: ISO 8601, UTC. seconds: how long it took. cause: why it did not succeed.
    definition: sha256 of fairway.yml's text, which lies under `definitions/`.
    artifacts: digest of each source's archive. plan: each change as stack, logical_id,
    type, component and action. backups: of what it took away, by component.
    """

    number: int
    app: str
    environment: str
    started: str
    seconds: float
    actor: str
    revision: str | None
    outcome: Outcome
    stacks: Mapping[str, StackRecord]
    artifacts: Mapping[str, str]
    region: str = ""
    kind: Kind = "apply"
    origin: str = ""
    cause: str = ""
    definition: str = ""
    plan: tuple[Mapping[str, str], ...] = ()
    backups: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether it can be gone back to."""
        return self.outcome == "succeeded" and self.kind != "destroy"


def release_key(app: str, environment: str, number: int) -> str:
    """Where a release lies in the artifact bucket."""
    return f"releases/{app}/{environment}/{number:06d}.json"


def digest_definition(text: str) -> str:
    """What a release calls the text of fairway.yml; empty for none."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def describe_changes(plan: Plan) -> tuple[Mapping[str, str], ...]:
    """The changes of a plan as a release remembers them."""
    return tuple(
        {
            "stack": stack.name,
            "logical_id": change.logical_id,
            "type": change.resource_type,
            "component": change.component,
            "action": change.action.value,
        }
        for stack, change in plan.changes()
        if change.action is not Action.NONE
    )


def record_stack(template: StackTemplate) -> StackRecord:
    """A stack of a release before it is applied."""
    sources = {name: _describe_source(s) for name, s in template.parameters.items()}
    return StackRecord(template.digest, template.layer, sources, dict(template.tags))


def _describe_source(source: ParameterSource) -> dict[str, str]:
    kind = next(name for name, model in _SOURCES.items() if isinstance(source, model))
    return {"from": kind, **asdict(source)}


def read_source(described: Mapping[str, str]) -> ParameterSource:
    """A parameter's source as it was recorded."""
    given = dict(described)
    return _SOURCES[given.pop("from")](**given)


def list_releases(store: Store, app: str, environment: str) -> list[int]:
    """Numbers of the releases so far, in order."""
    names = store.list(f"releases/{app}/{environment}/")
    stems = [name.rsplit("/", 1)[1].removesuffix(".json") for name in names]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def write_release(store: Store, release: Release) -> bool:
    """Store a release; whether its number was free, since one that is there never changes."""
    key = release_key(release.app, release.environment, release.number)
    return store.create(key, dump_release(release))


def read_release(store: Store, app: str, environment: str, number: int) -> Release | None:
    """Read a release back; None when there is none of this number."""
    found = store.read(release_key(app, environment, number))
    return parse_release(found.body) if found else None


def dump_release(release: Release) -> bytes:
    """A release as it is stored."""
    return json.dumps(asdict(release), indent=1).encode()


def parse_release(body: bytes) -> Release:
    """A release from what is stored; keys of a later Fairway are passed over."""
    content = json.loads(body)
    stacks = {name: StackRecord(**_pick(StackRecord, s)) for name, s in content["stacks"].items()}
    values = {**_pick(Release, content), "stacks": stacks, "plan": tuple(content.get("plan", ()))}
    return Release(**values)


def _pick(model: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    known = {item.name for item in fields(model)}
    return {key: value for key, value in content.items() if key in known}
