"""What the local cloud has to say, with the place in fairway.yml where to act on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairway.cli.render.human import say, show_place
from fairway.cli.target import Target
from fairway.cloud.control.coverage import list_limits
from fairway.cloud.launch import read_status
from fairway.define.app import LOCAL, App
from fairway.plan import Action, Plan

DENIED = "AccessDenied"
"""What a line of a log has in it when a call was denied."""

_TOLD_AS = "was denied"


def word_notice(app: App, notice: Mapping[str, Any]) -> str:
    """A notice of the status document; with a link to add: at the `uses` that it belongs to.

    The place is found here and now, since the cloud knows templates only, which
    say nothing of lines. It is the component's where it has no `uses`.
    """
    text, link = str(notice["text"]), notice.get("link")
    if not link or link["component"] not in app.components:
        return text
    place = app.place("components", link["component"], "uses", of_key=True)
    return f"{show_place(place)}: {text}"


def show_local_limits(plan: Plan) -> None:
    """What the local cloud does not do for what is new, in words, before anything is applied."""
    if plan.environment != LOCAL:
        return
    new = {change.resource_type for _, change in plan.changes() if change.action is Action.CREATE}
    limits = list_limits(new)
    if limits:
        say("\non the local cloud:", dim=True)
        for sentence in limits:
            say(f"  {sentence}", dim=True)


def show_denials(app: App, target: Target, told: set[str]) -> None:
    """After a denial, say on stderr which link is missing. told: what was said already."""
    if target.cloud is None:
        return
    for notice in read_status(target.cloud).get("notices", []):
        if _TOLD_AS in notice["text"] and notice["text"] not in told:
            told.add(notice["text"])
            say(f"note: {word_notice(app, notice)}", err=True, fg="yellow")
