"""Names that a shell completes, from the files as they lie there.

A shell waits for them at a key, so they are read without what validates files, which takes longer
to load than that. What cannot be read has no names: `fairway check` says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from fairway.cli.directories import FILE_NAME, find_directory

if TYPE_CHECKING:
    from yaml import Node

# Those of fairway.define and fairway.route, which load what validates.
LOCAL, STATE_DIRECTORY = "local", ".fairway"

_LARGEST = 500_000  # bytes; a file with 500 components has about a tenth
_NAME_OF_APP = re.compile(rb"""^["']?app["']?\s*:\s*["']?([\w-]+)""", re.MULTILINE)
_NOT_GOOD = re.compile(rb"""^ "(outcome": "(?!succeeded")|kind": "destroy")""", re.MULTILINE)
_TOP = 10_000  # bytes
_UNSOUND = re.compile(r"^/|\.\.|\*\*")  # patterns that services are not found by
_LOGGING = ("function", "http-api")
_WITHOUT_DATA = (*_LOGGING, "load-balancer")

Parameters = Mapping[str, Any]
"""What the command line says so far, by the names of the command's parameters."""


class Name(click.types.StringParamType):
    """Text that a shell can complete. names: a key of LISTS."""

    def __init__(self, names: str) -> None:
        self.names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What may stand there; nothing twice where several may."""
        given = ctx.params.get(param.name or "")
        known = set(given) if isinstance(given, tuple) else set()
        found = LISTS[self.names](_read_parameters(ctx))
        return [CompletionItem(n) for n in found if n.startswith(incomplete) and n not in known]


def _read_parameters(ctx: click.Context) -> Parameters:
    """What is known; before an option that lacks its value click leaves arguments unread."""
    arguments = (p.name for p in ctx.command.params if isinstance(p, click.Argument))
    unread = {name: word for name, word in zip(arguments, ctx.args, strict=False) if name}
    return {**unread, **{name: value for name, value in ctx.params.items() if value is not None}}


def list_templates(parameters: Parameters) -> list[str]:
    """What `init` makes applications from."""
    folder = Path(__file__).parents[1] / "templates"
    return sorted(file.parent.name for file in folder.glob(f"*/{FILE_NAME}"))


def list_environments(parameters: Parameters) -> list[str]:
    """Those that the file names, or its root's, `local` first."""
    directory = _find_home(_find_directory(parameters))
    named = _read_keys(_read(directory).get("environments"))
    return [LOCAL, *(name for name in named if name != LOCAL)]


def list_services(parameters: Parameters) -> list[str]:
    """The services of the root in the directory."""
    return [name for name, _ in _find_services(_find_directory(parameters))]


def list_logging(parameters: Parameters) -> list[str]:
    """Components that have logs."""
    return _list_components(parameters, lambda kind: kind in _LOGGING)


def list_with_data(parameters: Parameters) -> list[str]:
    """What may hold data, by its kind."""
    return _list_components(parameters, lambda kind: kind not in _WITHOUT_DATA)


def list_releases(parameters: Parameters) -> list[str]:
    """Those that were made from this directory, the newest first."""
    return [file.stem.lstrip("0") for file in _find_records(parameters)]


def list_good_releases(parameters: Parameters) -> list[str]:
    """Those of them that something can be made of again, as `Release.is_good` has it."""
    found = _find_records(parameters)
    return [file.stem.lstrip("0") for file in found if not _NOT_GOOD.search(_read_top(file))]


def _find_records(parameters: Parameters) -> list[Path]:
    directory = _find_directory(parameters).resolve()
    home = _find_home(directory)
    service = _name_app(directory / FILE_NAME) if home != directory else ""
    chosen = _list_chosen(parameters)
    environment = parameters.get("source") or parameters.get("environment") or LOCAL
    folder = home / STATE_DIRECTORY / "releases" / (chosen[0] if chosen else service) / environment
    return sorted((f for f in folder.glob("*.json") if f.stem.isdecimal()), reverse=True)


def _read_top(file: Path) -> bytes:
    """What a record says before its stacks, which are most of it and come last."""
    with file.open("rb") as record:
        return record.read(_TOP)


LISTS: Mapping[str, Callable[[Parameters], list[str]]] = {
    "template": list_templates,
    "environment": list_environments,
    "service": list_services,
    "logging": list_logging,
    "with-data": list_with_data,
    "release": list_releases,
    "good-release": list_good_releases,
}


def _find_directory(parameters: Parameters) -> Path:
    named = parameters.get("directory")
    return Path(named).expanduser() if named else find_directory(Path())


def _list_chosen(parameters: Parameters) -> tuple[str, ...]:
    """The services that the command line names."""
    one = parameters.get("service")
    return (one,) if one else tuple(parameters.get("services") or ())


def _list_components(parameters: Parameters, fits: Callable[[str], bool]) -> list[str]:
    """Components, and resources of the escape hatch; as SERVICE/NAME where many are meant."""
    directory, chosen = _find_directory(parameters), _list_chosen(parameters)
    services = dict(_find_services(directory))
    if not services:
        return list(_read_components(directory, fits))
    return [
        name if len(chosen) == 1 else f"{service}/{name}"
        for service in chosen or services
        if service in services
        for name in _read_components(services[service], fits)
    ]


def _read_components(directory: Path, fits: Callable[[str], bool]) -> Iterator[str]:
    tree = _read(directory)
    for name, node in _read_entries(tree.get("components")).items():
        kind = _read_entries(node).get("type")
        if kind is not None and isinstance(kind.value, str) and fits(kind.value):
            yield name
    if fits("resource"):
        yield from _read_keys(tree.get("resources"))


def _find_services(root: Path) -> Iterator[tuple[str, Path]]:
    """Each service's name and folder."""
    for folder in _find_folders(root):
        if name := _name_app(folder / FILE_NAME):
            yield name, folder


def _find_folders(root: Path) -> Iterator[Path]:
    services = _read(root).get("services")
    for item in services.value if services is not None else ():
        pattern = getattr(item, "value", None)
        if isinstance(pattern, str) and pattern and not _UNSOUND.search(pattern):
            yield from sorted(root.glob(pattern))


def _find_home(directory: Path) -> Path:
    """The directory of the root that a folder is a service of; itself otherwise."""
    here = directory.resolve()
    for parent in here.parents:
        if (parent / FILE_NAME).is_file() and here in map(Path.resolve, _find_folders(parent)):
            return parent
    return here


def _name_app(file: Path) -> str:
    found = _NAME_OF_APP.search(_read_bytes(file))
    return found[1].decode() if found else ""


def _read_bytes(file: Path) -> bytes:
    """A file's content; nothing of one that is no plain file, or larger than any is."""
    return file.read_bytes() if file.is_file() and file.stat().st_size <= _LARGEST else b""


def _read(directory: Path) -> dict[str, Node]:
    """What stands on top of the file in a directory."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return _read_entries(yaml.compose(_read_bytes(directory / FILE_NAME), Loader=loader))


def _read_keys(node: Node | None) -> list[str]:
    return list(_read_entries(node))


def _read_entries(node: Node | None) -> dict[str, Node]:
    """The entries of a mapping; nothing of anything else."""
    from yaml import MappingNode

    pairs = node.value if isinstance(node, MappingNode) else ()
    return {key.value: value for key, value in pairs if isinstance(key.value, str)}
