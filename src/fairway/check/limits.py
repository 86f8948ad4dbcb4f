"""Limits of AWS that a single key cannot show."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairway.define import App
from fairway.define.spec import Function, KeyAttribute, LoadBalancer, Table
from fairway.diagnostics import Diagnostic

# Components' resources share their stacks with resources of these names.
RESERVED = ("key", "key-alias", "dead-letters", "vpc", "network", "artifacts")
_INDEX_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}\Z")
# "Environment variables" quota of Lambda, for all variables together.
_VARIABLES_BYTES = 4096


def check_limits(app: App) -> Iterator[Diagnostic]:
    """Names, tables, functions and networks."""
    for name in app.components:
        if name in RESERVED:
            yield Diagnostic(
                "reserved-name",
                f"'{name}' is a name that Fairway uses itself",
                app.place("components", name, of_key=True),
                "choose another",
            )
    for name, table in app.of_kind(Table).items():
        yield from _check_table(app, name, table)
    for name, function in app.of_kind(Function).items():
        size = sum(len(k.encode()) + len(v.encode()) for k, v in function.variables.items())
        if size > _VARIABLES_BYTES:
            yield Diagnostic(
                "too-many-variables",
                f"the variables of '{name}' take {size} bytes, more than Lambda's 4096",
                app.place("components", name, "variables", of_key=True),
                "move large values into files of the source",
            )
    yield from _check_existing_network(app)


def _check_table(app: App, name: str, table: Table) -> Iterator[Diagnostic]:
    if table.sort_key is not None and _name(table.partition_key) == _name(table.sort_key):
        yield Diagnostic(
            "keys-alike",
            f"the table '{name}' has '{_name(table.sort_key)}' as both its keys",
            app.place("components", name, "sort_key"),
            "name another attribute, or remove the sort key",
        )
    types: dict[str, str] = {}
    keys = [("partition_key", table.partition_key), ("sort_key", table.sort_key)]
    for index_name, index in table.indexes.items():
        place = app.place("components", name, "indexes", index_name, of_key=True)
        if not _INDEX_NAME.match(index_name):
            yield Diagnostic(
                "bad-index",
                f"'{index_name}' cannot be the name of an index",
                place,
                "use 3 to 255 letters, digits, dots, dashes and underscores",
            )
        keys += [(index_name, index.partition_key), (index_name, index.sort_key)]
    for where, key in keys:
        if key is None:
            continue
        kind = types.setdefault(_name(key), _type(key))
        if kind != _type(key):
            path = (where,) if where in ("partition_key", "sort_key") else ("indexes", where)
            yield Diagnostic(
                "types-differ",
                f"the attribute '{_name(key)}' of '{name}' is a {kind} and a {_type(key)}",
                app.place("components", name, *path, of_key=True),
                "give it one type everywhere",
            )


def _check_existing_network(app: App) -> Iterator[Diagnostic]:
    existing = app.network.existing if app.network else None
    if existing is None:
        return
    for name in app.of_kind(LoadBalancer):
        if len(existing.public_subnets) < 2:
            yield Diagnostic(
                "too-few-subnets",
                f"the load balancer '{name}' needs public subnets in two zones, and the existing "
                f"network names {len(existing.public_subnets)}",
                app.place("network", "existing", "public_subnets", of_key=True),
                "list them under `public_subnets`",
            )


def _name(key: str | KeyAttribute) -> str:
    return key if isinstance(key, str) else key.name


def _type(key: str | KeyAttribute) -> str:
    return "string" if isinstance(key, str) else key.type
