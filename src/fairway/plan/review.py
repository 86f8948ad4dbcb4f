"""What a reviewer needs of a plan: data, permissions, the internet, interruption, cost."""

from __future__ import annotations

from dataclasses import dataclass

from fairway.plan.cost import CostChange, compare_costs
from fairway.plan.exposure import ExposureChange, compare_exposure
from fairway.plan.impact import DataChange, Interruption, find_interruptions, find_losses
from fairway.plan.model import Plan
from fairway.plan.permissions import PermissionChange, compare_permissions


@dataclass(frozen=True)
class Review:
    """A plan as a reviewer asks about it; each part has the worst first."""

    data: tuple[DataChange, ...]
    permissions: tuple[PermissionChange, ...]
    exposure: tuple[ExposureChange, ...]
    interruptions: tuple[Interruption, ...]
    cost: CostChange


def review_plan(plan: Plan) -> Review:
    """Everything a plan means to data, people and the bill."""
    return Review(
        find_losses(plan),
        compare_permissions(plan),
        compare_exposure(plan),
        find_interruptions(plan),
        compare_costs(plan),
    )
