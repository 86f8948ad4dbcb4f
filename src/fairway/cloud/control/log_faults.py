"""Faults that a function's log tells of, in words: a package that is missing, a link."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fairway.cloud.control.authority import read_revision
from fairway.cloud.control.denials import find_tag, list_tagged
from fairway.cloud.control.durable.touch import peek
from fairway.cloud.control.logs import Line, LogStore
from fairway.cloud.notices import MissingLink, MissingPackage, Notices

_ERROR = "[ERROR]"  # how the runtime client begins what it logs of an exception
_MODULE = re.compile(r"No module named '([A-Za-z_]\w*)")
_VARIABLE = re.compile(r"\[ERROR\] KeyError: '([A-Z][A-Z0-9_]*_(?:TABLE|FUNCTION))'")
_ACCESS = {"TABLE": "read", "FUNCTION": "invoke"}
_LINKED = ("dynamodb", "lambda")
"""The services of what a link can name in a variable, as docs/reference/links.md has them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The function that wrote a log. revision: another one once it was changed."""

    component: str
    handler: str
    revision: str


class FindOrigin(Protocol):
    """Find the function behind a log group; None for other groups, and when it is gone."""

    def __call__(self, group: str) -> Origin | None:
        """Look it up now."""


class LogFaults:
    """A `LogStore` in front of another: looks at errors on their way, and passes on all."""

    def __init__(
        self,
        store: LogStore,
        notices: Notices,
        find_origin: FindOrigin | None = None,
        list_components: Callable[[], set[str]] | None = None,
    ) -> None:
        self._store = store
        self._notices = notices
        self._find_origin: FindOrigin = find_origin or find_origin_of
        self._list_components = list_components or list_component_names

    def append(self, group: str, stream: str, lines: list[Line]) -> None:
        """Tell of faults first: who reads the line finds the notice."""
        for _, text in lines:
            if text.startswith(_ERROR):
                self._look_at(group, text)
        self._store.append(group, stream, lines)

    def expire(self, now_ms: int) -> None:
        """As the store does."""
        self._store.expire(now_ms)

    def _look_at(self, group: str, text: str) -> None:
        module, variable = _MODULE.search(text), _VARIABLE.match(text)
        origin = self._find_origin(group) if module or variable else None
        if origin is None:
            return
        if module:
            self._tell_module(group, origin, module[1])
        elif variable:
            self._tell_variable(group, origin, variable[1])

    def _tell_module(self, group: str, origin: Origin, module: str) -> None:
        if module == origin.handler.replace("/", ".").partition(".")[0]:
            return  # the handler is not where it was said to be; no package helps
        self._notices.add_fault(
            f"{origin.component} failed to import {module} ({group}): add {module} to the "
            f"requirements.txt of {origin.component}, unless it is a file of your own.",
            self._until_changed(group, origin),
            package=MissingPackage(origin.component, module),
        )

    def _tell_variable(self, group: str, origin: Origin, variable: str) -> None:
        stem, _, kind = variable.rpartition("_")
        named = (c for c in self._list_components() if c.replace("-", "_").upper() == stem)
        target = next(named, None)
        if target is None:
            return
        access = _ACCESS[kind]
        self._notices.add_fault(
            f"{origin.component} read the variable {variable}, which is not set ({group}): "
            f"add `{target}: {access}` to the `uses` of {origin.component} in fairway.yml.",
            self._until_changed(group, origin),
            link=MissingLink(origin.component, target, access),
        )

    def _until_changed(self, group: str, origin: Origin) -> Callable[[], bool]:
        return lambda: self._find_origin(group) == origin


def find_origin_of(group: str) -> Origin | None:
    """Implements `FindOrigin` over ministack's functions."""
    from ministack.services import lambda_svc

    for record in peek(lambda_svc._functions._data).values():
        config = record["config"]
        logged = (config.get("LoggingConfig") or {}).get("LogGroup")
        if group != (logged or f"/aws/lambda/{config['FunctionName']}"):
            continue
        component = (record.get("tags") or {}).get("Component") or config["FunctionName"]
        return Origin(str(component), str(config.get("Handler") or ""), read_revision(config))
    return None


def list_component_names() -> set[str]:
    """The components that a link can name."""
    return {c for service in _LINKED for _, tags in list_tagged(service) if (c := find_tag(tags))}
