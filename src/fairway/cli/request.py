"""What the verbs that apply a plan are asked for, and the one way that they all take.

A verb is a frozen value: the request, and what is its own. It says how its plan is made and what
is told of the outcome; opening, showing, consent and carrying out are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Protocol

import click

from fairway.apply import Release
from fairway.cli.consent import Given, consent_options, read_given
from fairway.cli.delivery import Delivery, Proposal, refuse_unknown_names
from fairway.cli.options import (
    directory_option,
    json_option,
    services_option,
    verbose_option,
    yes_option,
)
from fairway.cli.render.human import say, show_plan
from fairway.cli.render.json import print_json
from fairway.cli.render.notices import show_local_limits
from fairway.cli.render.progress import Progress
from fairway.cli.selection import choose_directory, name_service
from fairway.errors import FairwayError
from fairway.events import Report


@dataclass(frozen=True)
class Request:
    """What every one of these verbs is asked: where, with which consent, and what to print."""

    directory: Path
    given: Given
    verbose: bool = False
    as_json: bool = False
    show_events: bool = False
    services: tuple[str, ...] = ()

    def for_one(self) -> Request:
        """The same about one application. Raises FairwayError in a root where none is named."""
        name = self.services[0] if len(self.services) == 1 else None
        return self.at(choose_directory(self.directory, name))

    def at(self, directory: Path) -> Request:
        """The same about the application in a directory."""
        return replace(self, directory=directory, services=())


class Verb(Protocol):
    """One of them. release: what came of the proposal, or None when there was nothing to do."""

    @property
    def request(self) -> Request:
        """What it was asked."""

    def propose(self, report: Report) -> Proposal:
        """Open the target and plan; changes nothing that the plan is about."""

    def describe(self, proposal: Proposal, release: Release | None) -> Mapping[str, Any]:
        """The outcome for programs, beside `changed`."""

    def tell(self, proposal: Proposal, release: Release | None) -> None:
        """The outcome in words, and the next step."""


def request_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that they share; the function is given them as one Request."""

    @yes_option
    @consent_options
    @click.option(
        "--events", "show_events", is_flag=True, help="After a failure, show every event."
    )
    @verbose_option("Show every resource as it goes, and what the local cloud leaves out.")
    @directory_option
    @services_option
    @json_option
    @wraps(function)
    def receive(
        *,
        yes: bool,
        directory: Path,
        services: tuple[str, ...],
        verbose: bool,
        as_json: bool,
        show_events: bool,
        **options: Any,
    ) -> None:
        given = read_given(yes, options)
        request = Request(directory, given, verbose, as_json, show_events, services)
        try:
            function(request, **options)
        except FairwayError as error:
            if len(services) == 1:
                name_service(error, services[0])
            raise

    return receive


def deliver(verb: Verb) -> None:
    """Plan, show, ask, carry out, tell."""
    request = verb.request
    with Progress(verbose=request.verbose, quiet=request.as_json) as progress:
        proposal = verb.propose(progress)
    if proposal.is_idle:
        refuse_unknown_names(proposal, request.given)
    release = None if proposal.is_idle else _carry_out(request, proposal)
    if request.as_json:
        print_json({"changed": release is not None, **verb.describe(proposal, release)})
    else:
        verb.tell(proposal, release)


def _carry_out(request: Request, proposal: Proposal) -> Release:
    if not request.as_json and not proposal.plan.is_empty:
        show_plan(proposal.plan)
        show_local_limits(proposal.plan, verbose=request.verbose)
    delivery = Delivery(
        proposal,
        request.given,
        verbose=request.verbose,
        quiet=request.as_json,
        show_events=request.show_events,
    )
    return delivery.run()


def say_release(text: str, release: Release) -> None:
    """That a release was made of it, and how long it took."""
    say(f"release {release.number} {text} in {release.seconds:.1f} s", bold=True)
