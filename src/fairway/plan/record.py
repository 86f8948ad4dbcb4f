"""The last release as this directory knows it: what a plan without credentials compares with.

One file a release, `<number>.json`, below `.fairway/releases/<environment>/`. Releases that
others made are not in it, so a plan by it says which release it took.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairway.errors import FairwayError
from fairway.plan.model import ObservedStack

FORMAT = 1
KEPT = 10  # files; only the last is compared with


@dataclass(frozen=True)
class ReleaseRecord:
    """What stood after a release: every stack of the application, by name.

    number: the release's. made: when it was begun, as text.
    """

    number: int
    app: str
    environment: str
    region: str
    made: str
    stacks: Mapping[str, ObservedStack]

    def __str__(self) -> str:
        return f"release {self.number} of {self.made}, the last made from this directory"


def write_record(directory: Path, record: ReleaseRecord) -> Path:
    """Write a record beside the earlier ones, and remove those beyond KEPT.

    directory: `.fairway/releases/<environment>`; made when it is not there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{record.number:06d}.json"
    content = {
        "fairway_release": FORMAT,
        "number": record.number,
        "app": record.app,
        "environment": record.environment,
        "region": record.region,
        "made": record.made,
        "stacks": {name: _to_plain(stack) for name, stack in record.stacks.items()},
    }
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=1, sort_keys=True))
    part.replace(file)
    for old in _list_files(directory)[:-KEPT]:
        old.unlink(missing_ok=True)
    return file


def read_last_record(directory: Path) -> ReleaseRecord | None:
    """The last release's record, or None without any.

    Raises FairwayError when it cannot be read: going on with an older one would mislead.
    """
    files = _list_files(directory)
    if not files:
        return None
    file = files[-1]
    try:
        content = json.loads(file.read_bytes())
        if content["fairway_release"] != FORMAT:
            raise ValueError("another version")
        stacks = {name: ObservedStack(**stack) for name, stack in content["stacks"].items()}
        names = ("number", "app", "environment", "region", "made")
        return ReleaseRecord(**{name: content[name] for name in names}, stacks=stacks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
    }


def _list_files(directory: Path) -> list[Path]:
    """Records in the order of their numbers; other files are not ours."""
    found = directory.glob("*.json") if directory.is_dir() else []
    return sorted((f for f in found if f.stem.isdecimal()), key=lambda f: int(f.stem))
