"""What a verb is about: the application of a directory, or services of the root that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairway.define import App, Service, Workspace, list_services, read_root
from fairway.define.definition import nearest
from fairway.diagnostics import Diagnostic
from fairway.errors import FairwayError, InvalidApplication

_MOST_NAMES = 8


@dataclass(frozen=True)
class Selection:
    """An application by itself in `directory`, or services of the root there.

    problems: of finding the services. services: none for an application by itself.
    """

    directory: Path
    workspace: Workspace | None = None
    services: tuple[Service, ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    @property
    def name(self) -> str:
        """The root's name."""
        return self.workspace.name if self.workspace else ""

    def load(self, environment: str) -> list[App]:
        """The services, all of them valid. Raises InvalidApplication with every problem of all."""
        from fairway.route import load_services

        self._require_sound(environment)
        return load_services(self.services, environment)

    def find(self, environment: str) -> list[App]:
        """The services, whatever state their components are in."""
        from fairway.route import find_services

        self._require_sound(environment)
        return find_services(self.services, environment)

    def _require_sound(self, environment: str) -> None:
        assert self.workspace is not None
        problems = [*self.workspace.diagnostics, *self.problems]
        if any(problem.is_error for problem in problems):
            raise InvalidApplication(list(dict.fromkeys(problems)))
        known = self.workspace.environments
        if environment not in known:
            near = nearest(environment, known)
            raise FairwayError(
                f"{self.name} has no environment '{environment}'; it has {', '.join(known)}",
                hint=f"did you mean '{near}'?"
                if near
                else f"add `{environment}: {{}}` under `environments` in the root's file",
            )


def select(directory: Path, names: Sequence[str] = ()) -> Selection:
    """What a directory and `--service` name; one service is as good as its folder.

    Raises FairwayError for a name that no service has.
    """
    workspace = read_root(directory)
    if workspace is None:
        if names:
            raise FairwayError(
                "--service names a service of a root, and there is no `services` here",
                hint="leave it out, or run this in the root's directory",
            )
        return Selection(directory)
    services, problems = list_services(workspace)
    if not names:
        return Selection(directory, workspace, tuple(services), tuple(problems))
    known = {service.name: service for service in services}
    for name in names:
        if name not in known:
            if problems:  # it may be one that could not be found
                raise InvalidApplication(problems)
            near = nearest(name, known)
            raise FairwayError(
                f"{workspace.name} has no service '{name}'",
                hint=f"did you mean '{near}'?" if near else f"it has {name_some(list(known))}",
            )
    chosen = [known[name] for name in dict.fromkeys(names)]
    if len(chosen) == 1:
        return Selection(chosen[0].directory)
    return Selection(directory, workspace, tuple(chosen), tuple(problems))


def choose_directory(directory: Path, name: str | None) -> Path:
    """The directory of one application, for a verb that cannot be about many.

    Raises FairwayError in a root without a name.
    """
    selection = select(directory, [name] if name else [])
    if selection.workspace is None:
        return selection.directory
    names = [service.name for service in selection.services]
    raise FairwayError(
        f"{selection.name} is a root of services, and this is for one at a time",
        hint=f"name it: --service with {name_some(names)}" if names else "add a service",
    )


def name_service(error: FairwayError, name: str) -> None:
    """Let the command that the hint of a held lock tells say which service of the root it is of."""
    from fairway.apply.lock import LockHeld

    if isinstance(error, LockHeld) and error.hint:
        unlock = "fairway unlock"
        error.hint = error.hint.replace(f"{unlock} -e", f"{unlock} --service {name} -e")


def name_some(names: Sequence[str]) -> str:
    """Names in words; of many, the first ones and how many more there are."""
    some = ", ".join(names[:_MOST_NAMES])
    return f"{some} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else some
