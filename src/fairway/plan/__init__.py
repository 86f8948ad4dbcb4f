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

__all__ = [
    "Action",
    "Change",
    "ObservedStack",
    "Plan",
    "PropertyChange",
    "StackPlan",
    "Unknown",
    "plan_changes",
    "plan_destruction",
]
