"""A plan in a file: what it does, and digests of all that it was made from.

Carrying out a saved plan means to plan again and to compare: when the file, a template, an
archive or what is there has moved, it is refused, with what moved. So the file holds no
template and no secret, and nothing in it is trusted but as a thing to be equal to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairway.compile.template import dump_canonical
from fairway.errors import FairwayError
from fairway.plan.describe import describe_plan, to_plain
from fairway.plan.model import Action, ObservedStack, Plan

FORMAT = 1
# Of a plan's file; one for 2,000 resources has about 2 MB.
_LARGEST = 50_000_000
_MOST_DIFFERENCES = 20
_AGAIN = "run `fairway plan --save` again, and review what it says"


class SavedPlanRefused(FairwayError):
    """A saved plan that cannot be read, or that no longer is what would be done."""

    code = "saved-plan-refused"


@dataclass(frozen=True)
class SavedPlan:
    """A saved plan as it stands in its file.

    content: plain JSON without the digest. digest: sha256 of its canonical form, in hex; what
    an approval names.
    """

    content: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The same for the same plan, wherever and whenever it is made."""
        return hashlib.sha256(dump_canonical(self.content).encode()).hexdigest()

    @property
    def app(self) -> str:
        """The application's name."""
        return str(self.content["plan"]["app"])

    @property
    def environment(self) -> str:
        """The environment that it is for."""
        return str(self.content["plan"]["environment"])

    @property
    def destroys(self) -> bool:
        """Whether it removes the application."""
        return bool(self.content["plan"]["destroys"])

    @property
    def is_full(self) -> bool:
        """Whether it takes the full way although a short one may be there."""
        return self.content["plan"].get("full") is True


def save_plan(plan: Plan) -> SavedPlan:
    """A plan as it goes into a file.

    Raises SavedPlanRefused for one that was not compared with what is there.
    """
    if not plan.compared:
        raise SavedPlanRefused(
            "a plan to be applied must know what is there, and nobody could be asked",
            hint="give credentials of the account, then run `fairway plan --save` again",
        )
    return SavedPlan({"fairway_plan": FORMAT, "made_from": _digest_all(plan), "plan": _act(plan)})


def write_saved(saved: SavedPlan, file: Path) -> None:
    """Write a saved plan, readable by its owner only."""
    text = json.dumps({"digest": saved.digest, **saved.content}, indent=1, sort_keys=True)
    try:
        file.write_text(text + "\n")
        file.chmod(0o600)
    except OSError as error:
        raise SavedPlanRefused(
            f"the plan cannot be written to {file}: {error.strerror}", hint="name another file"
        ) from error


def read_saved(file: Path) -> SavedPlan:
    """Read a saved plan back. Raises SavedPlanRefused for anything that is not one, whole."""
    try:
        if not file.is_file():
            raise SavedPlanRefused(
                f"there is no plan in {file}", hint="make one with `fairway plan --save FILE`"
            )
        if file.stat().st_size > _LARGEST:
            raise SavedPlanRefused(f"{file} is too large for a plan", hint=_AGAIN)
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise SavedPlanRefused(f"{file} cannot be read: {error.strerror}", hint=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise SavedPlanRefused(
            f"{file} is not a saved plan: it is not JSON", hint=_AGAIN
        ) from error
    return _check_form(content, file)


def require_same(saved: SavedPlan, plan: Plan) -> None:
    """Raise SavedPlanRefused, with what moved, unless planning again gives the saved plan."""
    now = save_plan(plan)
    if now.digest == saved.digest:
        return
    found = list(find_differences(saved, now))
    rest = len(found) - _MOST_DIFFERENCES
    shown = found[:_MOST_DIFFERENCES] + ([f"and {rest} more"] if rest > 0 else [])
    raise SavedPlanRefused(
        "this is no longer what was planned; nothing was changed",
        hint=_AGAIN,
        detail="\n".join(shown or ["the plan itself was edited"]),
    )


def find_differences(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    """What differs between two plans, in sentences: where they go, what from, what they do."""
    old, new = saved.content["plan"], now.content["plan"]
    for key in ("app", "environment", "region", "account", "destroys"):
        if old.get(key) != new.get(key):
            yield f"{key}: planned for {old.get(key)}, now {new.get(key)}"
    for key, words in (("short_way", "given their code directly"), ("full", "the full way")):
        if old.get(key) != new.get(key):
            yield f"{words}: planned {_say_way(old.get(key))}, now {_say_way(new.get(key))}"
    sources, others = saved.content["made_from"], now.content["made_from"]
    if sources["file"] != others["file"]:
        yield "fairway.yml is not the file that was planned"
    for name in _find_moved(sources["artifacts"], others["artifacts"]):
        yield f"the code of {name} is not the one that was planned"
    for part, words in (
        ("templates", "the template of {stack} moved"),
        ("observed", "{stack} was changed since"),
    ):
        for stack in _find_moved(sources[part], others[part]):
            before, after = sources[part].get(stack) or {}, others[part].get(stack) or {}
            moved = ", ".join(_find_moved(before, after))
            yield f"{words.format(stack=stack)}: {moved}"
    yield from _compare_actions(old, new)


def _say_way(value: Any) -> str:
    """Functions by name, or whether."""
    if isinstance(value, list):
        return ", ".join(str(name) for name in value)
    return "yes" if value else "no"


def digest_files(files: Sequence[Path]) -> str:
    """sha256 of a file, in hex; of several, that of theirs, in order."""
    found = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return found[0] if len(found) == 1 else _digest(found)


def _check_form(content: Any, file: Path) -> SavedPlan:
    def reject(why: str, hint: str = _AGAIN) -> SavedPlanRefused:
        return SavedPlanRefused(f"{file} {why}", hint=hint)

    if not isinstance(content, dict) or "fairway_plan" not in content:
        raise reject("is not a saved plan", "make one with `fairway plan --save FILE`")
    if content["fairway_plan"] != FORMAT:
        raise reject(f"is a plan of another version ({_say_value(content['fairway_plan'])})")
    digest = content.pop("digest", None)
    saved = SavedPlan(content)
    if saved.digest != digest:
        raise reject("was edited: its digest is not that of its content")
    sources, plan = content.get("made_from"), content.get("plan")
    parts = ("artifacts", "templates", "observed")
    whole = (
        isinstance(sources, dict)
        and isinstance(sources.get("file"), str)
        and all(isinstance(sources.get(part), dict) for part in parts)
        and all(isinstance(v, dict) for part in parts[1:] for v in sources[part].values())
        and isinstance(plan, dict)
        and all(isinstance(plan.get(key), str) for key in ("app", "environment", "region"))
        and isinstance(plan.get("destroys"), bool)
        and isinstance(plan.get("changes"), dict)
        and all(isinstance(v, dict) for v in plan["changes"].values())
    )
    if not whole:
        raise reject("is not a whole plan: parts of it are missing")
    return saved


def _digest_all(plan: Plan) -> dict[str, Any]:
    """Digests of everything that a plan is made from; nothing of it in the clear."""
    templates: dict[str, dict[str, str]] = {}
    observed: dict[str, dict[str, str]] = {}
    for stack in plan.stacks:
        if stack.template is not None:
            parts = {**stack.template.template, "given": dict(stack.parameters)}
            templates[stack.name] = _digest_parts(parts)
        if stack.observed is not None:
            observed[stack.name] = _digest_observed(stack.observed)
    return {
        "file": plan.file_digest,
        "templates": templates,
        "artifacts": {artifact.name: artifact.digest for artifact in plan.artifacts},
        "observed": observed,
    }


def _digest_observed(stack: ObservedStack) -> dict[str, str]:
    there = {
        **stack.template,
        "given": dict(stack.parameters),
        "outputs": dict(stack.outputs),
        "physical ids": dict(stack.physical_ids),
        **({"running code": dict(stack.codes)} if stack.codes else {}),
    }
    return _digest_parts(there)


def _digest_parts(template: Mapping[str, Any]) -> dict[str, str]:
    """One digest for each resource and one for each other part."""
    parts = {key: value for key, value in template.items() if key != "Resources"}
    parts |= template.get("Resources", {})
    return {name: _digest(value) for name, value in parts.items()}


def _digest(value: Any) -> str:
    return hashlib.sha256(dump_canonical(to_plain(value)).encode()).hexdigest()


def _act(plan: Plan) -> dict[str, Any]:
    """What the plan does: where, and each action with its properties in a line each."""
    described = describe_plan(plan)
    kept = ("app", "environment", "region", "account", "destroys", "kept_tables")
    changes = {
        f"{stack['name']}/{change['logical_id']}": {
            "action": change["action"],
            "type": change["type"],
            "physical_id": change["physical_id"],
            "keeps_old": change["keeps_old"],
            "properties": change["properties"],
        }
        for stack in described["stacks"]
        for change in stack["changes"]
        if change["action"] != Action.NONE.value
    }
    acts = {**{key: described[key] for key in kept}, "changes": changes}
    if plan.short_way:
        acts["short_way"] = [f"{c.stack}/{c.logical_id}" for c in plan.short_way]
    if plan.full:
        acts["full"] = True
    return acts


def _compare_actions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = old["changes"], new["changes"]
    for name in _find_moved(before, after):
        planned, now = _say_action(before.get(name)), _say_action(after.get(name))
        yield f"{name}: planned was {planned}, now it is {now}"


def _say_action(change: Any) -> str:
    if not isinstance(change, Mapping):
        return "nothing"
    properties = change.get("properties") or []
    items = [
        f"{p.get('path')} {_say_value(p.get('before'))} -> {_say_value(p.get('after'))}"
        for p in properties
        if isinstance(p, Mapping)
    ]
    return str(change.get("action")) + (f" ({'; '.join(items[:3])})" if items else "")


def _say_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _find_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names that one side lacks, or whose values differ."""
    return [n for n in sorted({*before, *after}) if before.get(n) != after.get(n)]
