"""What the local cloud has to say, with the place in fairway.yml where to act on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairway.cli.render.human import say, show_file, show_place
from fairway.define.app import LOCAL, App
from fairway.define.spec import Function
from fairway.plan import Action, Plan

if TYPE_CHECKING:
    from fairway.cli.target import Target

_FAULTS = ("AccessDenied", "No module named '", "KeyError: '")
"""What a line of a log has in it when the cloud may have a notice about it."""


def tells_fault(line: str) -> bool:
    """Whether a line of a log is of a fault that `show_faults` may have words for."""
    return any(words in line for words in _FAULTS)


def word_notice(app: App, notice: Mapping[str, Any]) -> str:
    """A notice of the status document, at the place where something is to be added.

    A link: at the `uses` that it belongs to, or at the component that has none; a package: in
    the component's requirements. The place is found here and now, since the cloud knows
    templates only, which say nothing of lines or folders.
    """
    text, link, package = str(notice["text"]), notice.get("link"), notice.get("package")
    name = (link or package or {}).get("component", "")
    component = app.components.get(name)
    if component is None or not _concerns(app, text):
        return text
    if package:
        folder = app.root / component.source if isinstance(component, Function) else app.root
        return f"{show_file(folder / 'requirements.txt')}: {text}"
    place = app.place("components", name, "uses", of_key=True)
    return f"{show_place(place)}: {text}"


def _concerns(app: App, text: str) -> bool:
    """Whether a notice is about this service: its siblings in the cloud may name things alike.

    What a stack makes is named for it, and notices name what was refused, or whose log told it.
    """
    group = f"/{app.name}/{app.environment}/"
    return not app.service or f"{app.prefix}-" in text or group in text


def word_notices(apps: Sequence[App], notices: Iterable[Mapping[str, Any]]) -> list[str]:
    """Notices of a cloud with many services, each at the place of the one that it concerns."""
    found = []
    for notice in notices:
        text = str(notice["text"])
        own = (app for app in apps if _concerns(app, text))
        app = next(own, None)
        found.append(word_notice(app, notice) if app else text)
    return found


def show_local_limits(plan: Plan, *, verbose: bool) -> None:
    """That the local cloud leaves things out for what is new, before anything is applied.

    verbose: in a sentence each, and not only how many.
    """
    show_limits_of([plan], verbose=verbose)


def show_limits_of(plans: Iterable[Plan], *, verbose: bool) -> None:
    """The same of some plans, each sentence once."""
    local = [plan for plan in plans if plan.environment == LOCAL]
    changes = [change for plan in local for _, change in plan.changes()]
    if not changes:
        return
    from fairway.cloud.control.coverage import list_limits

    new = {change.resource_type for change in changes if change.action is Action.CREATE}
    limits = list_limits(new)
    if not limits:
        return
    if not verbose:
        count = f"{len(limits)} thing{'' if len(limits) == 1 else 's'}"
        say(f"\nnot as on AWS, on the local cloud: {count}; --verbose tells", dim=True)
        return
    say("\non the local cloud:", dim=True)
    for sentence in limits:
        say(f"  {sentence}", dim=True)


def show_faults(apps: Sequence[App], target: Target, told: set[str]) -> None:
    """After a fault, say on stderr what is missing. told: what was said already."""
    if target.cloud is None:
        return
    from fairway.cloud.launch import read_status

    for notice in read_status(target.cloud).get("notices", []):
        if notice.get("is_fault") and notice["text"] not in told:
            told.add(notice["text"])
            (text,) = word_notices(apps, [notice])
            say(f"note: {text}", err=True, fg="yellow")


def show_running(apps: Sequence[App], target: Target) -> None:
    """What the local cloud has to say about how it runs them; faults are told as they come."""
    if target.cloud is None:
        return
    from fairway.cloud.launch import read_status

    notices = read_status(target.cloud).get("notices", [])
    for text in word_notices(apps, [n for n in notices if not n.get("is_fault")]):
        say(f"  note: {text}", dim=True)
