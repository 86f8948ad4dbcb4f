"""Templates + artifacts + what is there -> Plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fairway.bundle.artifact import Artifact
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.template import (
    ArtifactBucket,
    ArtifactKey,
    ParameterSource,
    PrefixList,
    StackOutput,
    StackTemplate,
    Templates,
)
from fairway.define import App
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication
from fairway.plan.compare import compare_stack, find_references, remove_resource
from fairway.plan.model import Action, ObservedStack, Plan, StackPlan, Unknown
from fairway.plan.short_way import find_short_way

FindPrefixList = Callable[[str], str]


def plan_changes(
    app: App,
    templates: Templates,
    artifacts: Sequence[Artifact],
    observed: Mapping[str, ObservedStack],
    *,
    find_prefix_list: FindPrefixList | None = None,
    account: str | None = None,
    compared: bool = True,
) -> Plan:
    """What applying the templates would change.

    observed: the application's stacks that exist, by name. find_prefix_list: AWS's
    prefix list of a service, None when no endpoint can be asked. Raises
    InvalidApplication when the templates are not an update of what is there.
    """
    keys = {artifact.name: artifact.key for artifact in artifacts}
    stacks: list[StackPlan] = []
    for template in templates.stacks:
        done = {stack.name: stack for stack in stacks}
        there = observed.get(template.name)
        find = find_prefix_list or _remember_prefix_list(template, there)
        parameters = {
            name: _resolve(source, keys, done, find) for name, source in template.parameters.items()
        }
        changes = compare_stack(app, template, there, parameters, app.region)
        stacks.append(StackPlan(template.name, template, there, parameters, changes))
    _refuse_new_types(stacks)
    wanted = {template.name for template in templates.stacks}
    leftover = [s for name, s in observed.items() if name not in wanted]
    stacks += [_plan_removal(stack) for stack in order_removals(leftover)]
    return Plan(
        app.name,
        app.environment,
        app.region,
        account,
        tuple(stacks),
        tuple(artifacts),
        compared,
        expect=app.expect,
        # Who consents to a plan itself gets CloudFormation's: docs/decisions/0019-the-short-way.md
        short_way=() if app.approve else find_short_way(stacks),
    )


def _remember_prefix_list(
    template: StackTemplate, there: ObservedStack | None
) -> FindPrefixList | None:
    """Prefix lists as the stack was given them, when nobody can be asked: they do not change."""
    given = there.parameters if there else {}
    known = {
        source.service: given[name]
        for name, source in template.parameters.items()
        if isinstance(source, PrefixList) and name in given
    }
    return known.__getitem__ if known else None


def _refuse_new_types(stacks: Sequence[StackPlan]) -> None:
    """CloudFormation answers "Update of resource type is not permitted", and so do we, before."""
    found: dict[str, Diagnostic] = {}
    for stack in stacks:
        for change in stack.changes:
            if not any(p.path == "Type" and p.replaces for p in change.properties):
                continue
            (kinds,) = (p for p in change.properties if p.path == "Type")
            found[change.component] = Diagnostic(
                "new-kind",
                f"'{change.component}' is deployed as another kind: CloudFormation does not turn "
                f"{change.logical_id} from {kinds.before} into {kinds.after}",
                change.place,
                "give the new one another name",
            )
    if found:
        raise InvalidApplication(list(found.values()))


def plan_destruction(
    app: App, observed: Mapping[str, ObservedStack], *, account: str | None = None
) -> Plan:
    """What removing the application from the environment would delete and keep.

    The artifact stack is shared by all applications and stays.
    """
    own = [stack for name, stack in observed.items() if name != ARTIFACTS_STACK]
    stacks = tuple(_plan_removal(stack) for stack in order_removals(own))
    return Plan(
        app.name,
        app.environment,
        app.region,
        account,
        stacks,
        (),
        compared=True,
        destroys=True,
        expect=app.expect,
    )


def order_removals(stacks: Sequence[ObservedStack]) -> list[ObservedStack]:
    """Stacks so that each goes before those whose outputs it takes."""
    layers = ("app", "data", "network")

    def rank(stack: ObservedStack) -> tuple[int, int, str]:
        stem, _, last = stack.name.rpartition("-")
        number = int(last) if last.isdecimal() else 1  # of several, the first gives to the others
        layer = stem.rpartition("-")[-1] if last.isdecimal() else last
        return (layers.index(layer) if layer in layers else 0, -number, stack.name)

    return sorted(stacks, key=rank)


def _plan_removal(stack: ObservedStack) -> StackPlan:
    resources = stack.template.get("Resources", {})
    changes = tuple(remove_resource(i, body, stack) for i, body in resources.items())
    return StackPlan(stack.name, None, stack, dict(stack.parameters), changes)


def _resolve(
    source: ParameterSource,
    keys: Mapping[str, str],
    done: Mapping[str, StackPlan],
    find_prefix_list: FindPrefixList | None,
) -> str | Unknown:
    match source:
        case ArtifactKey():
            return keys.get(source.source, Unknown("bundle"))
        case ArtifactBucket():
            return _output(done.get(ARTIFACTS_STACK), "BucketName")
        case PrefixList():
            if find_prefix_list is None:
                return Unknown("asking AWS")
            return find_prefix_list(source.service)
        case StackOutput():
            return _output(done.get(source.stack), source.output)


def _output(stack: StackPlan | None, output: str) -> str | Unknown:
    """An output's value, unless what it refers to is about to change its identity."""
    if stack is None or stack.template is None:
        return Unknown("apply")
    unknown = Unknown(f"{stack.template.layer} stack")
    if stack.observed is None or output not in stack.observed.outputs:
        return unknown
    value = stack.template.template.get("Outputs", {}).get(output, {})
    moving = {
        change.logical_id
        for change in stack.changes
        if change.action in (Action.CREATE, Action.REPLACE)
    }
    return unknown if find_references(value) & moving else stack.observed.outputs[output]
