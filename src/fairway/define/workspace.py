"""A root's fairway.yml: the services below it, and what it says for all of them.

A service is a folder with a fairway.yml of its own that a pattern under `services` of the root
matches. It is the same application whether it is read from the root or from its folder: from the
folder its root is found by looking upward. See docs/decisions/0020-services.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

from fairway.define import source
from fairway.define.app import FILE_NAME, LOCAL
from fairway.define.patterns import Pattern
from fairway.diagnostics import Diagnostic, Place

# What a root may say for its services; each of them may say it otherwise.
DEFAULTS = ("owner", "region", "encryption", "accept", "environments")
OF_SERVICES = ("components", "network", "expect", "resources")
_NETWORK_HINT = "give each service its `network`; one that services share is not built yet"
_SERVICES = re.compile(rb"services[\"']?\s*:")


@dataclass(frozen=True)
class Workspace:
    """A root. directory: of its fairway.yml. diagnostics: what is wrong with that file alone."""

    directory: Path
    tree: source.Mapping
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def name(self) -> str:
        """What the names of all stacks begin with."""
        return read_text(self.tree, "app") or "app"

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns that services are found by; the file's own check tells of others."""
        entry = self.tree.entries["services"]
        items = entry.value.items if isinstance(entry.value, source.Sequence) else ()
        texts = (item for item in items if isinstance(item, source.Scalar))
        found = (Pattern(t.value, t.place) for t in texts if isinstance(t.value, str) and t.value)
        return tuple(pattern for pattern in found if pattern.is_sound)

    @property
    def environments(self) -> list[str]:
        """The environments of all services, `local` first."""
        entry = self.tree.entries.get("environments")
        named = entry.value.entries if entry and isinstance(entry.value, source.Mapping) else {}
        return [LOCAL, *(name for name in named if name != LOCAL)]

    def has(self, directory: Path) -> bool:
        """Whether a directory is one of its services' folders."""
        try:
            folder = directory.resolve().relative_to(self.directory.resolve())
        except ValueError:
            return False
        return any(pattern.matches(folder) for pattern in self.patterns)

    def lay_under(self, tree: source.Mapping) -> source.Mapping:
        """A service's file over what the root says for all; each value keeps its place."""
        below = {key: e for key, e in self.tree.entries.items() if key in DEFAULTS}
        if "environments" in below:
            below["environments"] = _drop_overlays(below["environments"])
        return source.overlay(
            source.Mapping(below, tree.place),
            replace(
                tree, entries={k: _keep_nothing(e, below.get(k)) for k, e in tree.entries.items()}
            ),
        )

    def find_names_alike(self, name: str) -> set[str]:
        """Names of services whose stacks in some environment are called as those of `name`.

        Its own name is one; with environments `prod` and `eu-prod`, `shop` and `shop-eu` meet.
        """
        ends = [f"-{environment}" for environment in self.environments]
        full = [f"{name}{end}" for end in ends]
        return {one.removesuffix(end) for one in full for end in ends if one.endswith(end)}


def _drop_overlays(environments: source.Entry) -> source.Entry:
    """A root's environments without what only services have, which has been told."""
    if not isinstance(environments.value, source.Mapping):
        return environments
    kept = {}
    for name, entry in environments.value.entries.items():
        node = entry.value
        if isinstance(node, source.Mapping):
            own = {key: e for key, e in node.entries.items() if key not in OF_SERVICES}
            entry = replace(entry, value=replace(node, entries=own))
        kept[name] = entry
    return replace(environments, value=replace(environments.value, entries=kept))


def _keep_nothing(above: source.Entry, below: source.Entry | None) -> source.Entry:
    """An environment that a service only names (`prod:`) does not take away what the root says."""
    if below is None or not isinstance(below.value, source.Mapping):
        return above
    if isinstance(above.value, source.Scalar) and above.value.value is None:
        return below
    if not isinstance(above.value, source.Mapping):
        return above
    named = below.value.entries
    kept = {k: _keep_nothing(e, named.get(k)) for k, e in above.value.entries.items()}
    return replace(above, value=replace(above.value, entries=kept))


@dataclass(frozen=True)
class Service:
    """A service as its root finds it: its folder and its file, read once for all environments.

    tree: None when the file could not be read. place: of the pattern that names it.
    """

    workspace: Workspace
    directory: Path
    tree: source.Mapping | None
    problems: tuple[Diagnostic, ...]
    place: Place

    @property
    def name(self) -> str:
        """Its `app`; the folder's name when that cannot be read."""
        return (self.tree and read_text(self.tree, "app")) or self.directory.name


def read_workspace(directory: Path) -> Workspace | None:
    """The root that a directory holds, or None when its fairway.yml is not one."""
    file = directory / FILE_NAME
    if not _may_be_root(file):
        return None
    tree, problems = source.read_source(file)
    return make_workspace(directory, tree, problems)


def _may_be_root(file: Path) -> bool:
    """Whether it is worth reading as YAML, which takes a hundred times as long as this."""
    try:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            return _SERVICES.search(stream.read(source.MAX_BYTES)) is not None
    except OSError:
        return True  # reading it says what is wrong


def read_owner(path: Path) -> int:
    """The user id of who owns a file or directory."""
    return path.stat().st_uid


def make_workspace(
    directory: Path, tree: source.Mapping | None, problems: list[Diagnostic]
) -> Workspace | None:
    """A root from its file as it was read; None when the file has no `services`."""
    if tree is None or "services" not in tree.entries:
        return None
    return Workspace(directory, tree, (*problems, *check_root(tree)))


def find_workspace(
    directory: Path,
    owner_of: Callable[[Path], int] = read_owner,
    known: Workspace | None = None,
) -> tuple[Workspace | None, list[Diagnostic]]:
    """The root that a folder is a service of, and what makes that uncertain.

    A file above that cannot be read as YAML might be the root: names would depend on it. One of
    another user, as in a directory that all may write, is not followed. known: a root that was
    read before, and is not read again.
    """
    here = directory.resolve()
    home = known.directory.resolve() if known else None
    for parent in here.parents:
        file = parent / FILE_NAME
        if known is not None and parent == home and known.has(here):
            return known, []
        if not _may_be_root(file):
            continue
        tree, problems = source.read_source(file)
        if tree is None:
            return None, problems
        workspace = make_workspace(parent, tree, problems)
        if workspace is not None and workspace.has(here):
            foreign = owner_of(file) not in (0, os.getuid(), owner_of(here))
            return (None, [_refuse_foreign(tree)]) if foreign else (workspace, [])
    return None, []


def _refuse_foreign(tree: source.Mapping) -> Diagnostic:
    return Diagnostic(
        "foreign-root",
        "this file says that the application is a service of it, and belongs to another user",
        source.find_place(tree, ("services",), of_key=True),
        "move the application elsewhere, or make the file yours",
    )


def find_home(directory: Path) -> Path:
    """The directory with the state of an application or a root: its root's, of a service."""
    workspace, _ = find_workspace(directory)
    return workspace.directory if workspace else directory


def check_root(tree: source.Mapping) -> Iterator[Diagnostic]:
    """What only services have, and patterns that cannot be followed."""
    own = [(tree, "a root of services")]
    environments = tree.entries.get("environments")
    if environments and isinstance(environments.value, source.Mapping):
        for name, entry in environments.value.entries.items():
            if isinstance(entry.value, source.Mapping):
                own.append((entry.value, f"environment '{name}' of a root of services"))
    for node, what in own:
        for key in OF_SERVICES:
            if key in node.entries:
                yield Diagnostic(
                    "not-in-root",
                    f"{what} has no `{key}`: that belongs to a service",
                    node.entries[key].place,
                    _NETWORK_HINT
                    if key == "network"
                    else f"move it into the {FILE_NAME} of a service, in a folder of its own",
                )


def list_services(workspace: Workspace) -> tuple[list[Service], list[Diagnostic]]:
    """The services of a root in the order of its patterns, and what is wrong with finding them."""
    problems: list[Diagnostic] = []
    services: dict[PurePath, Service] = {}
    for pattern in workspace.patterns:
        folders, unlisted = pattern.find_folders(workspace.directory)
        problems += unlisted
        if not folders and not unlisted:
            problems.append(
                Diagnostic(
                    "no-service",
                    f"no folder matches '{pattern.text}'",
                    pattern.place,
                    f"make the folder, with a {FILE_NAME} of its own, or remove the pattern",
                )
            )
        for folder in folders:
            if folder not in services:
                found = _read_service(workspace, folder, pattern)
                if isinstance(found, Service):
                    services[folder] = found
                else:
                    problems.append(found)
    return list(services.values()), [*problems, *_find_twins(list(services.values()))]


def _read_service(workspace: Workspace, folder: PurePath, pattern: Pattern) -> Service | Diagnostic:
    directory = workspace.directory / folder
    if not directory.resolve().is_relative_to(workspace.directory.resolve()):
        return Diagnostic(
            "service-outside",
            f"'{folder}' matches '{pattern.text}' and is a link that leaves the root",
            pattern.place,
            "put the folder itself below the root, or remove the link",
        )
    found, doubts = find_workspace(directory, known=workspace)
    if found is not workspace:
        return next(iter(doubts), _explain_other_root(workspace, folder, pattern, found))
    if not _may_exist(directory / FILE_NAME):
        return Diagnostic(
            "no-service",
            f"'{folder}' matches '{pattern.text}' and has no {FILE_NAME}",
            pattern.place,
            f"give it a {FILE_NAME}, move it elsewhere, or name the services one by one",
        )
    tree, problems = source.read_source(directory / FILE_NAME)
    return Service(workspace, directory, tree, tuple(problems), pattern.place)


def _may_exist(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return True  # reading it says what is wrong


def _explain_other_root(
    workspace: Workspace, folder: PurePath, pattern: Pattern, other: Workspace | None
) -> Diagnostic:
    """From its own folder the application would have another name: a second copy of it."""
    home, here = workspace.directory.resolve(), (workspace.directory / folder).resolve()
    if other is None:
        why = f"is a link to '{here.relative_to(home)}', which no pattern matches"
        hint = "name the folder itself under `services`, or remove the link"
    else:
        why = f"is a service of the root in '{other.directory.relative_to(home)}' already"
        hint = "leave it to that root, or take `services` out of that file"
    return Diagnostic(
        "service-outside", f"'{folder}' matches '{pattern.text}' and {why}", pattern.place, hint
    )


def _find_twins(services: list[Service]) -> Iterator[Diagnostic]:
    """Services whose stacks would be called alike."""
    known: dict[str, Service] = {}
    for service in services:
        if service.tree is None or not read_text(service.tree, "app"):
            continue
        alike = service.workspace.find_names_alike(service.name)
        other = next((known[name] for name in sorted(alike) if name in known), None)
        if other is not None:
            yield _explain_twin(service, other.name, other.directory)
        known.setdefault(service.name, service)


def find_twin(workspace: Workspace, directory: Path, tree: source.Mapping) -> list[Diagnostic]:
    """Another service of the root whose stacks would be called as this one's.

    Files in which no such name stands are not read as YAML: there may be a hundred.
    """
    service = Service(workspace, directory, tree, (), tree.place)
    alike = workspace.find_names_alike(service.name)
    here = directory.resolve()
    problems: list[Diagnostic] = []
    for pattern in workspace.patterns:
        folders, unlisted = pattern.find_folders(workspace.directory)
        problems += unlisted
        for folder in folders:
            other = workspace.directory / folder
            if other.resolve() == here or not _mentions(other / FILE_NAME, alike):
                continue
            found, _ = source.read_source(other / FILE_NAME)
            name = read_text(found, "app") if found else None
            if name in alike:
                return [*problems, _explain_twin(service, str(name), other)]
    return problems


def _mentions(file: Path, names: set[str]) -> bool:
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return any(name.encode() in text for name in names)


def _explain_twin(service: Service, name: str, directory: Path) -> Diagnostic:
    assert service.tree is not None
    folder = directory.resolve().relative_to(service.workspace.directory.resolve())
    summary = (
        f"'{service.name}' is the name of the service in {folder} too"
        if name == service.name
        else f"the stacks of '{service.name}' and of '{name}' in {folder} would be called alike "
        "in two environments"
    )
    return Diagnostic(
        "service-twice",
        summary,
        source.find_place(service.tree, ("app",)),
        "give each service of a root a name of its own",
    )


def read_text(tree: source.Mapping, key: str) -> str | None:
    """The text of a key on top of a file, if it is one."""
    entry = tree.entries.get(key)
    value = entry.value.value if entry and isinstance(entry.value, source.Scalar) else None
    return value if isinstance(value, str) and value else None
