"""Consent by name for services of a root, where a name has its service's before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fairway.cli.delivery import Delivery, Proposal, refuse_unknown_names
from fairway.cli.selection import name_some
from fairway.define.definition import nearest
from fairway.errors import FairwayError

if TYPE_CHECKING:
    from fairway.apply import Consent
    from fairway.cli.consent import Given


def require_services(proposals: Sequence[Proposal], given: Given) -> None:
    """Raise FairwayError for names that no service has, or that do not say of which."""
    if given.approve:  # first: the names of one service's consent are of no use to explain
        raise FairwayError(
            "a digest is of the plan of one service; nothing was changed",
            hint="add --service with its name",
        )
    services = [proposal.app.service for proposal in proposals]
    changing = [proposal.app.service for proposal in proposals if not proposal.is_idle]
    for name in (*given.replace, *given.delete):
        service, slash, own_name = name.partition("/")
        if not slash:
            some = f"; these change: {', '.join(changing)}" if changing else ""
            raise FairwayError(
                f"'{name}' does not say of which service; nothing was changed",
                hint=f"write SERVICE/NAME, or add --service with the service's name{some}",
            )
        if service not in services:
            near = nearest(service, services)
            raise FairwayError(
                f"'{name}' is of no service that this is about; nothing was changed",
                hint=f"did you mean '{near}/{own_name}'?"
                if near
                else f"these are: {name_some(services)}",
            )
    for proposal in proposals:
        own = _pick_given(given, proposal.app.service)
        if own.replace or own.delete:
            refuse_unknown_names(proposal, own, f"{proposal.app.service}/")


def gather_consents(deliveries: Sequence[Delivery]) -> list[Consent]:
    """Consent to each, before anything is carried out; what is missing is told of its service."""
    found = []
    for delivery in deliveries:
        service = delivery.proposal.app.service
        given = _pick_given(delivery.given, service)
        try:
            found.append(replace(delivery, given=given).gather())
        except FairwayError as error:
            error.summary = f"{service}: {error.summary}"
            if error.hint:
                error.hint = f"for this service alone, with --service {service}: {error.hint}"
            raise
    return found


def _pick_given(given: Given, service: str) -> Given:
    """What was given for one service, by the names that it has there."""
    own = f"{service}/"
    return replace(
        given,
        replace=tuple(n.removeprefix(own) for n in given.replace if n.startswith(own)),
        delete=tuple(n.removeprefix(own) for n in given.delete if n.startswith(own)),
    )
