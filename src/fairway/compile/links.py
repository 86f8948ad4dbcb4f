"""What a link (`uses`) means: one literal table from kind and access to permissions."""

from __future__ import annotations

from dataclasses import dataclass

from fairway.define.spec import Component, Function, Table


@dataclass(frozen=True, slots=True)
class Access:
    """The IAM actions of one kind of access, and what the linked code is told.

    variable: suffix of the environment variable, for example ENTRIES_TABLE.
    """

    actions: tuple[str, ...]
    variable: str


_READ_TABLE = (
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
)
_WRITE_TABLE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)

LINKS: dict[str, dict[str, Access]] = {
    Table.kind: {
        "read": Access(_READ_TABLE, "TABLE"),
        "write": Access(_WRITE_TABLE, "TABLE"),
        "read-write": Access(tuple(sorted({*_READ_TABLE, *_WRITE_TABLE})), "TABLE"),
    },
    Function.kind: {"invoke": Access(("lambda:InvokeFunction",), "FUNCTION")},
}


def find_access(target: Component, access: str) -> Access | None:
    """The meaning of `access` to a component of that kind, or None when it has none."""
    return LINKS.get(target.kind, {}).get(access)


def name_variable(component: str, access: Access) -> str:
    """The environment variable that names a linked component."""
    return f"{component.replace('-', '_').upper()}_{access.variable}"
