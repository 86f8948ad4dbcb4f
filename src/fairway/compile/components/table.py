"""A table: DynamoDB, paid per request, encrypted, with point-in-time recovery."""

from __future__ import annotations

from typing import Any

from fairway.compile.draft import Draft, StackDraft, origin_of, to_logical
from fairway.compile.encryption import data_key
from fairway.compile.template import get_att, ref
from fairway.define.spec import KeyAttribute, Table

_TYPES = {"string": "S", "number": "N", "binary": "B"}


def compile_table(name: str, table: Table, draft: Draft) -> None:
    """Write the table into the data stack."""
    keys = [table.partition_key, *([table.sort_key] if table.sort_key else [])]
    for index in table.indexes.values():
        keys += [index.partition_key, *([index.sort_key] if index.sort_key else [])]
    attributes = {_name(key): _type(key) for key in keys}
    properties: dict[str, Any] = {
        "AttributeDefinitions": [
            {"AttributeName": a, "AttributeType": attributes[a]} for a in sorted(attributes)
        ],
        "KeySchema": _key_schema(table.partition_key, table.sort_key),
        "BillingMode": "PAY_PER_REQUEST",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
    }
    key = data_key(draft)
    if key:
        properties["SSESpecification"] |= {"SSEType": "KMS", "KMSMasterKeyId": key}
    if table.expire:
        properties["TimeToLiveSpecification"] = {"AttributeName": table.expire, "Enabled": True}
    if table.indexes:
        properties["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index_name,
                "KeySchema": _key_schema(index.partition_key, index.sort_key),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index_name, index in sorted(table.indexes.items())
        ]
    keep = table.on_delete == "keep"
    stem = to_logical(name)
    origin = origin_of(
        name,
        {
            "KeySchema": "partition_key",
            "AttributeDefinitions": "partition_key",
            "GlobalSecondaryIndexes": "indexes",
            "TimeToLiveSpecification": "expire",
        },
    )
    draft.data.add(
        stem,
        "AWS::DynamoDB::Table",
        properties,
        origin,
        DeletionPolicy="RetainExceptOnCreate" if keep else "Delete",
        UpdateReplacePolicy="Retain" if keep else "Delete",
    )


def table_name(name: str, draft: Draft, taker: StackDraft) -> dict[str, str]:
    """The table's name, handed on to a function's stack."""
    stem = to_logical(name)
    text = f"Name of the table {name}"
    return draft.share(draft.data, taker, f"{stem}Name", ref(stem), text)


def table_arn(name: str, draft: Draft, taker: StackDraft) -> dict[str, str]:
    """The table's ARN, handed on to a function's stack."""
    stem = to_logical(name)
    text = f"ARN of the table {name}"
    return draft.share(draft.data, taker, f"{stem}Arn", get_att(stem, "Arn"), text)


def _name(key: str | KeyAttribute) -> str:
    return key if isinstance(key, str) else key.name


def _type(key: str | KeyAttribute) -> str:
    return _TYPES["string" if isinstance(key, str) else key.type]


def _key_schema(
    partition: str | KeyAttribute, sort: str | KeyAttribute | None
) -> list[dict[str, str]]:
    schema = [{"AttributeName": _name(partition), "KeyType": "HASH"}]
    if sort:
        schema.append({"AttributeName": _name(sort), "KeyType": "RANGE"})
    return schema
