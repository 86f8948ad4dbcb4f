"""fairway.yml + the name of an environment -> App, and every problem on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fairway.define import source
from fairway.define.app import FILE_NAME, LOCAL, App
from fairway.define.explain import explain_error, find_steps, show
from fairway.define.explain import nearest as nearest
from fairway.define.file import Expect, File, Network
from fairway.define.spec import KINDS, Component, Spec
from fairway.define.workspace import (
    OF_SERVICES,
    Service,
    Workspace,
    find_twin,
    find_workspace,
    read_workspace,
)
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication

P = TypeVar("P", bound=Spec)
OVERLAID = ("accept", "components", "expect", "network", "resources")
_NEVER_DEFAULTED = ("source", "runtime")


@dataclass(frozen=True)
class Definition:
    """What could be read: `app` is None only when the file as a whole could not be.

    misleading: those of the diagnostics that leave in doubt which application this is, in
    which environment, account and region.
    """

    app: App | None
    diagnostics: tuple[Diagnostic, ...]
    misleading: tuple[Diagnostic, ...] = ()

    def find_app(self) -> App:
        """The application, whatever state its components are in; enough to look at it with.

        Raises InvalidApplication when looking by this file could find another application.
        """
        if self.app is None or self.misleading:
            raise InvalidApplication(list(self.misleading or self.diagnostics))
        return self.app

    def require_app(self) -> App:
        """The application, or every problem as one error."""
        if self.app is None or any(d.is_error for d in self.diagnostics):
            raise InvalidApplication(list(self.diagnostics))
        return self.app


def define_app(directory: Path, environment: str = LOCAL) -> Definition:
    """Read the application in `directory` as `environment` sees it."""
    tree, problems = source.read_source(directory / FILE_NAME)
    return _define_alone(tree, problems, directory, environment)


def define_service(service: Service, environment: str = LOCAL) -> Definition:
    """Read a service that its root has found; the same application as from its folder."""
    return _define(
        service.tree, list(service.problems), service.directory, environment, service.workspace
    )


def define_text(text: str, directory: Path, environment: str = LOCAL) -> Definition:
    """Read an application whose file is not on disk; `directory` is only named in places."""
    tree, problems = source.read_text(text, directory / FILE_NAME)
    return _define_alone(tree, problems, directory, environment)


def read_root(directory: Path) -> Workspace | None:
    """The root of services that a directory holds, with all that is wrong with its file."""
    return _examine(read_workspace(directory))


def _examine(workspace: Workspace | None) -> Workspace | None:
    if workspace is None:
        return None
    more = (
        problem
        for steps, problem in _check_file(workspace.tree)
        if not {steps[0], *steps[2:3]} & {*OF_SERVICES}  # has been told that it is not a root's
    )
    return replace(workspace, diagnostics=(*workspace.diagnostics, *more))


def _define_alone(
    tree: source.Mapping | None, problems: list[Diagnostic], directory: Path, environment: str
) -> Definition:
    """An application by itself, or a service whose root is somewhere above."""
    if tree is None:
        return Definition(None, tuple(problems))
    found, doubts = find_workspace(directory)
    workspace = _examine(found)
    if workspace is not None:
        doubts = find_twin(workspace, directory, tree)
    return _define(tree, [*problems, *doubts], directory, environment, workspace)


def _define(
    tree: source.Mapping | None,
    problems: list[Diagnostic],
    directory: Path,
    environment: str,
    workspace: Workspace | None,
) -> Definition:
    if tree is None:
        return Definition(None, tuple(problems))
    if "services" in tree.entries:
        return Definition(None, (*problems, _refuse_services(tree, workspace)))
    if workspace is not None:
        problems += [*workspace.diagnostics, *_check_environments(tree, workspace)]
        tree = workspace.lay_under(tree)
    misleading = list(problems)
    for steps, problem in _check_file(tree):
        problems.append(problem)
        if _is_identity(steps, environment):
            misleading.append(problem)
    known = workspace.environments if workspace else _environment_names(tree)
    if environment not in known:
        misleading.append(_unknown_environment(tree, environment, known))
        problems.append(misleading[-1])
    merged = _apply_overlay(tree, environment)
    components, broken = _read_components(merged, problems)
    network = _read_network(merged, problems)
    plain = source.to_plain(merged)
    name = _text(plain.get("app"), "app")
    app = App(
        root=directory,
        name=f"{workspace.name}-{name}" if workspace else name,
        environment=environment,
        owner=_text(plain.get("owner"), "unknown"),
        region=_text(_own(merged, environment, "region") or plain.get("region"), "us-east-1"),
        account=_own(merged, environment, "account"),
        profile=_own(merged, environment, "profile"),
        role=_own(merged, environment, "role"),
        network=network,
        encryption=_text(plain.get("encryption"), "customer-key"),
        components=components,
        resources=plain.get("resources") or {},
        tree=merged,
        broken=frozenset(broken),
        accept=_read_reasons(plain.get("accept")),
        approve=_child_value(merged, environment, "approve") is True,
        expect=_read_expect(merged, problems),
        workspace=workspace.directory if workspace else None,
        service=name if workspace else "",
    )
    return Definition(app, tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(misleading)))


def list_environments(directory: Path) -> list[str]:
    """The environments that the file names, `local` first; empty when it cannot be read."""
    tree, _ = source.read_source(directory / FILE_NAME)
    if tree is None:
        return []
    workspace, _ = find_workspace(directory)
    return workspace.environments if workspace else _environment_names(tree)


def _refuse_services(tree: source.Mapping, workspace: Workspace | None) -> Diagnostic:
    place = source.find_place(tree, ("services",), of_key=True)
    if workspace is None:
        return Diagnostic(
            "is-root",
            "this is the root of services, and not one of them",
            place,
            "name one with --service, or go to its folder",
        )
    return Diagnostic(
        "nested-services",
        "this is a service itself, and cannot have `services`",
        place,
        "name their folders in the root's file, beside this one's",
    )


def _check_environments(tree: source.Mapping, workspace: Workspace) -> list[Diagnostic]:
    """A service says of environments what is otherwise in it; which there are, its root says."""
    node = _child(tree, "environments")
    entries = node.entries if isinstance(node, source.Mapping) else {}
    return [
        Diagnostic(
            "environment-not-in-root",
            f"the root has no environment '{name}'; it has {', '.join(workspace.environments)}",
            entry.place,
            f"add `{name}: {{}}` under `environments` in the root's file",
        )
        for name, entry in entries.items()
        if name not in workspace.environments
    ]


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default


def _own(tree: source.Mapping, environment: str, key: str) -> str | None:
    """What the environment itself says of a key that is not overlaid."""
    value = _child_value(tree, environment, key)
    return value if isinstance(value, str) else None


def _read_reasons(plain: Any) -> dict[str, str]:
    found = plain if isinstance(plain, dict) else {}
    return {name: reason for name, reason in found.items() if isinstance(reason, str)}


def _child_value(tree: source.Mapping, environment: str, key: str) -> Any:
    node = _child(_child(_child(tree, "environments"), environment), key)
    return source.to_plain(node) if node else None


def _child(node: source.Node | None, key: str) -> source.Node | None:
    if isinstance(node, source.Mapping) and key in node.entries:
        return node.entries[key].value
    return None


def _environment_names(tree: source.Mapping) -> list[str]:
    node = _child(tree, "environments")
    names = list(node.entries) if isinstance(node, source.Mapping) else []
    return [LOCAL, *(name for name in names if name != LOCAL)]


def _unknown_environment(tree: source.Mapping, name: str, known: list[str]) -> Diagnostic:
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"add `{name}: {{}}` under `environments`"
    return Diagnostic(
        "unknown-environment",
        f"there is no environment '{name}'; the file has {', '.join(known)}",
        source.find_place(tree, ("environments",), of_key=True),
        hint,
    )


def _apply_overlay(tree: source.Mapping, environment: str) -> source.Mapping:
    """The tree with the environment's components, network and resources merged in."""
    own = _child(_child(tree, "environments"), environment)
    if not isinstance(own, source.Mapping):
        return tree
    wanted = {k: e for k, e in own.entries.items() if k in OVERLAID}
    return source.overlay(tree, source.Mapping(wanted, own.place))


def _check_file(tree: source.Mapping) -> list[tuple[source.Path_, Diagnostic]]:
    """What is wrong outside of components, each with the path that it is about."""
    found: list[tuple[source.Path_, Diagnostic]] = []
    unknown = [key for key in tree.entries if key not in File.model_fields]
    meant = {nearest(key, File.model_fields) for key in unknown}  # which will be told
    if not {"components", "services"} & {*tree.entries, *meant}:
        missing = Diagnostic(
            "missing-key", "'components' is missing", tree.place, "add `components:`"
        )
        found.append((("components",), missing))
    try:
        File.model_validate(source.to_plain(tree))
    except ValidationError as error:
        found += [
            (find_steps(detail["loc"]), explain_error(tree, (), File, detail, ""))
            for detail in error.errors()
        ]
    return found


def _is_identity(steps: source.Path_, environment: str) -> bool:
    """Whether a path holds which application this is, or where its environment is."""
    if steps[:2] == ("environments", environment):
        return not (len(steps) > 2 and steps[2] in OVERLAID)
    if len(steps) > 1:
        return False
    # A key that is not known may have been meant as one of the three.
    return steps[0] in ("app", "region", "environments") or steps[0] not in File.model_fields


def _read_components(
    tree: source.Mapping, problems: list[Diagnostic]
) -> tuple[dict[str, Component], set[str]]:
    node = _child(tree, "components")
    components: dict[str, Component] = {}
    broken: set[str] = set()
    if not isinstance(node, source.Mapping):
        return components, broken
    for name, entry in node.entries.items():
        found = _read_component(tree, name, entry, problems)
        if found is None:
            broken.add(name)
        else:
            components[name] = found
    return components, broken


def _read_component(
    tree: source.Mapping, name: str, entry: source.Entry, problems: list[Diagnostic]
) -> Component | None:
    if not isinstance(entry.value, source.Mapping):
        return None  # the file's own check has said so
    kind_node = _child(entry.value, "type")
    if kind_node is None:
        if entry.only_above:
            problems.append(_unknown_overlay(tree, name, entry))
            return None
        problems.append(
            Diagnostic(
                "missing-key",
                f"component '{name}' does not say its type",
                entry.place,
                f"add `type:` with one of {', '.join(KINDS)}",
            )
        )
        return None
    kind = source.to_plain(kind_node)
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        near = nearest(kind, KINDS)
        problems.append(
            Diagnostic(
                "unknown-type",
                f"component '{name}' has the unknown type {show(kind)}",
                kind_node.place,
                f"did you mean '{near}'?" if near else f"use one of {', '.join(KINDS)}",
            )
        )
        return None
    plain = source.to_plain(entry.value)
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        subject = f" of component '{name}'"
        problems += [
            explain_error(tree, ("components", name), model, detail, subject)
            for detail in error.errors()
        ]
        return _salvage(model, plain, error.errors())


def _salvage(
    model: type[Component], plain: dict[str, Any], errors: list[ErrorDetails]
) -> Component | None:
    """The component without what was refused, so that the checks can judge the rest of it.

    None when what is left says too little, or would be judged by a default that the file
    did not ask for.
    """
    for detail in errors:
        steps = find_steps(detail["loc"])
        if steps[0] in _NEVER_DEFAULTED:
            return None
        holder: Any = plain
        for step in steps[:-1]:
            holder = holder.get(step) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder.pop(steps[-1], None)
    try:
        return model.model_validate(plain)
    except ValidationError:
        return None


def _unknown_overlay(tree: source.Mapping, name: str, entry: source.Entry) -> Diagnostic:
    node = _child(tree, "components")
    entries = node.entries if isinstance(node, source.Mapping) else {}
    near = nearest(name, [n for n, e in entries.items() if not e.only_above])
    return Diagnostic(
        "unknown-component",
        f"'{name}' is overlaid here, but there is no such component",
        entry.place,
        f"did you mean '{near}'?" if near else "give it a `type:` if it is new",
    )


def _read_network(tree: source.Mapping, problems: list[Diagnostic]) -> Network | None:
    return _read_part(tree, "network", Network, problems)


def _read_expect(tree: source.Mapping, problems: list[Diagnostic]) -> Expect | None:
    return _read_part(tree, "expect", Expect, problems)


def _read_part(
    tree: source.Mapping, key: str, model: type[P], problems: list[Diagnostic]
) -> P | None:
    """A part of the file with the environment's overlay; what is wrong is told once."""
    node = _child(tree, key)
    if node is None or source.to_plain(node) is None:
        return None
    try:
        return model.model_validate(source.to_plain(node))
    except ValidationError as error:
        known = set(problems)
        explained = [explain_error(tree, (key,), model, d, "") for d in error.errors()]
        problems += [d for d in explained if d not in known]
        return None
