"""Templates and what is there -> Plan: what would change, be replaced, be lost."""

from fairway.plan.model import (
    Action,
    Change,
    ObservedStack,
    Plan,
    PropertyChange,
    StackPlan,
    Unknown,
)
from fairway.plan.planning import plan_changes, plan_destruction
from fairway.plan.review import Review, review_plan

__all__ = [
    "Action",
    "Change",
    "ObservedStack",
    "Plan",
    "PropertyChange",
    "Review",
    "StackPlan",
    "Unknown",
    "plan_changes",
    "plan_destruction",
    "review_plan",
]
