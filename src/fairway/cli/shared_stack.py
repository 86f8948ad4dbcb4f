"""The stack that all applications of an account and region share, among plans of many services."""

from __future__ import annotations

from dataclasses import replace

from fairway.cli.delivery import Delivery
from fairway.cli.target import Target
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.artifacts import compile_artifacts
from fairway.plan import Plan


def changes_shared(plan: Plan) -> bool:
    """Whether a plan makes or changes the stack that all applications share."""
    return any(s.name == ARTIFACTS_STACK and s.is_changed for s in plan.stacks)


def share_once(plan: Plan, target: Target, changing: set[object]) -> Plan:
    """A plan without what all share, when one before it changes that in the account and region.

    changing: where one does; what stands for this plan's target is added when its plan does.
    """
    if id(target) in changing:
        return drop_shared(plan)
    if not changes_shared(plan):
        return plan
    place = _find_place(plan, target)
    known = place in changing
    changing |= {id(target), place}
    return drop_shared(plan) if known else plan


def _find_place(plan: Plan, target: Target) -> object:
    """Where the shared stack lies; two roles or profiles may lead to one account.

    The target itself when nobody can be asked: without credentials accounts are not told apart.
    """
    if target.aws is None:
        return id(target)
    return target.aws.sts.get_caller_identity()["Account"], plan.region


def drop_shared(plan: Plan) -> Plan:
    """The plan of a service after the first one, whose plan changes what all share."""
    return replace(plan, stacks=tuple(s for s in plan.stacks if s.name != ARTIFACTS_STACK))


def settle_shared(delivery: Delivery) -> Delivery:
    """A delivery whose plan left out what all share, with that as the first one has made it."""
    from fairway.plan.model import StackPlan
    from fairway.plan.observe import observe_stacks

    proposal = delivery.proposal
    if proposal.plan.destroys or any(s.name == ARTIFACTS_STACK for s in proposal.plan.stacks):
        return delivery
    made = observe_stacks(proposal.target.require_aws(), [ARTIFACTS_STACK]).get(ARTIFACTS_STACK)
    shared = StackPlan(ARTIFACTS_STACK, compile_artifacts(), made, {}, ())
    plan = replace(proposal.plan, stacks=(shared, *proposal.plan.stacks))
    return replace(delivery, proposal=replace(proposal, plan=plan))
