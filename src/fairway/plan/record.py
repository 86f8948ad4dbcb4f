"""The last release as this directory knows it: what a plan without credentials compares with.

One file a release, `<number>.json`, below `.fairway/releases/<environment>/`: what stood when it
had ended, well or not. Releases that others made are not in it, so a plan by it says which release
it took. A mark stands beside them while an apply runs: one that is killed leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairway.errors import FairwayError
from fairway.plan.model import ObservedStack
from fairway.state import make_state_directory

FORMAT = 1
KEPT = 10  # files; only the last is compared with
_MARK = "begun"
_LEFT = {
    "failed": "what release {} of {} left when it failed",
    "interrupted": "what stood when release {} of {} was interrupted",
}


@dataclass(frozen=True)
class ReleaseRecord:
    """What stood after a release: every stack of the application, by name.

    number: the release's. made: when it was begun, as text. outcome, kind: as the release has
    them.
    moving: stacks that CloudFormation was still at. unended: when an apply was begun after it of
    whose end nothing is known here; number is 0 when nothing but that is known.
    """

    number: int
    app: str
    environment: str
    region: str
    made: str
    stacks: Mapping[str, ObservedStack]
    outcome: str = "succeeded"
    moving: tuple[str, ...] = ()
    unended: str = ""
    kind: str = "apply"

    def __str__(self) -> str:
        if not self.number:
            return f"nothing: an apply of {self.unended} did not come to its end here"
        what = _LEFT.get(self.outcome, "release {} of {}").format(self.number, self.made)
        text = f"{what}, the last made from this directory"
        if self.moving:
            text += f"; CloudFormation was still at {', '.join(self.moving)} then"
        if self.unended:
            text += f"; an apply of {self.unended} came after it, and its end was not recorded"
        return text


def mark_begun(directory: Path, when: str) -> bool:
    """Note that an apply begins; whether there was no such note yet.

    directory: as of write_record, which removes the note. when: the time as text.
    """
    make_state_directory(directory)
    mark = directory / _MARK
    fresh = not mark.exists()
    mark.write_text(when)
    return fresh


def forget_begun(directory: Path) -> None:
    """Remove the note of an apply that changed nothing."""
    (directory / _MARK).unlink(missing_ok=True)


def write_record(directory: Path, record: ReleaseRecord) -> Path:
    """Write a record beside the earlier ones, and remove those beyond KEPT.

    directory: `.fairway/releases/<environment>`; made when it is not there.
    """
    make_state_directory(directory)
    file = directory / f"{record.number:06d}.json"
    content = {
        "fairway_release": FORMAT,
        "number": record.number,
        "app": record.app,
        "environment": record.environment,
        "region": record.region,
        "made": record.made,
        "outcome": record.outcome,
        "kind": record.kind,
        "moving": list(record.moving),
        "stacks": {name: _to_plain(stack) for name, stack in record.stacks.items()},
    }
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=1, sort_keys=True))
    part.replace(file)
    forget_begun(directory)
    for old in _list_files(directory)[:-KEPT]:
        old.unlink(missing_ok=True)
    return file


def read_last_record(directory: Path) -> ReleaseRecord | None:
    """The last release's record, or None without any.

    Raises FairwayError when it cannot be read: going on with an older one would mislead.
    """
    files = _list_files(directory)
    mark = directory / _MARK
    unended = mark.read_text(errors="replace") if mark.is_file() else ""
    if files:
        return replace(_read_record(files[-1]), unended=unended)
    return ReleaseRecord(0, "", "", "", "", {}, unended=unended) if unended else None


def _read_record(file: Path) -> ReleaseRecord:
    try:
        content = json.loads(file.read_bytes())
        if content["fairway_release"] != FORMAT:
            raise ValueError("another version")
        stacks = {name: ObservedStack(**stack) for name, stack in content["stacks"].items()}
        names = ("number", "app", "environment", "region", "made")
        return ReleaseRecord(
            **{name: content[name] for name in names},
            stacks=stacks,
            outcome=content.get("outcome", "succeeded"),
            moving=tuple(content.get("moving", ())),
            kind=content.get("kind", "apply"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FairwayError(
            f"the record of the last release cannot be read: {file}",
            hint="remove the file; the plan is then compared with the release before it",
            detail=f"{type(error).__name__}: {error}",
        ) from error


def _to_plain(stack: ObservedStack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "status": stack.status,
        "template": stack.template,
        "parameters": dict(stack.parameters),
        "outputs": dict(stack.outputs),
        "physical_ids": dict(stack.physical_ids),
        "changed_at": stack.changed_at,
        "codes": dict(stack.codes),
    }


def _list_files(directory: Path) -> list[Path]:
    """Records in the order of their numbers; other files are not ours."""
    found = directory.glob("*.json") if directory.is_dir() else []
    return sorted((f for f in found if f.stem.isdecimal()), key=lambda f: int(f.stem))
