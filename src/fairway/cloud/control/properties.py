"""A resource's properties against AWS's schema of its type, worded as CloudFormation words it.

Values that functions and references decide are known only while deploying, and pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
Problem = tuple[str, str]
"""A path such as "#/Environment", and what is wrong there."""

NO_VALUE = {"Ref": "AWS::NoValue"}
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_NAMES = {"object": "JSONObject", "array": "JSONArray", "string": "String", "boolean": "Boolean"}


def find_problems(schema: Schema, properties: Any) -> list[Problem]:
    """Everything that is wrong with a resource's properties."""
    return list(_check(schema, schema, properties, "#"))


def word_problems(logical_id: str, problems: list[Problem]) -> str:
    """The reason that CloudFormation gives for the resource."""
    lines = "\n".join(f"{path}: {text}" for path, text in problems)
    return f"Properties validation failed for resource {logical_id} with message:\n{lines}"


def is_function(value: Any) -> bool:
    """Whether a value is an intrinsic function, decided while deploying."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    name = str(next(iter(value)))
    return name in ("Ref", "Condition") or name.startswith("Fn::")


def _check(root: Schema, schema: Any, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(schema, dict) or is_function(value):
        return
    if "$ref" in schema:
        schema = {**_resolve(root, str(schema["$ref"])), **schema}
    declared = schema.get("type")
    types = set(declared) if isinstance(declared, list) else {declared} - {None}
    if not types and "properties" in schema:
        types = {"object"}
    if types and not _fits(types, value):
        yield path, f"expected type: {_expected(types)}, found: {_found(value)}"
        return
    if isinstance(value, dict):
        yield from _check_object(root, schema, value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(root, schema.get("items"), item, f"{path}/{index}")
    else:
        yield from _check_scalar(schema, types, value, path)


def _resolve(root: Schema, reference: str) -> Schema:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _fits(types: set[Any], value: Any) -> bool:
    if isinstance(value, dict):
        return "object" in types
    if isinstance(value, list):
        return "array" in types
    if not types & _SCALARS:
        return False
    if "string" in types:
        return True
    text = str(value)
    if "boolean" in types and text.lower() in ("true", "false"):
        return True
    # CloudFormation turns texts into the numbers that the schema asks for.
    whole = bool(re.fullmatch(r"[+-]?\d+(\.0+)?", text)) and not isinstance(value, bool)
    fraction = bool(re.fullmatch(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", text, re.IGNORECASE))
    return ("integer" in types and whole) or ("number" in types and (whole or fraction))


def _expected(types: set[Any]) -> str:
    first = next((t for t in ("object", "array", "boolean", "string") if t in types), "number")
    return _NAMES.get(first, "Integer" if "integer" in types else "Number")


def _found(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        return "Integer" if isinstance(value, int) else "Double"
    if isinstance(value, dict):
        return "JSONObject"
    return "JSONArray" if isinstance(value, list) else "String"


def _check_object(root: Schema, schema: Schema, value: Any, path: str) -> Iterator[Problem]:
    known: dict[str, Any] = schema.get("properties") or {}
    patterns: dict[str, Any] = schema.get("patternProperties") or {}
    given = {str(key): item for key, item in value.items() if item != NO_VALUE}
    for name in schema.get("required") or []:
        if name not in given:
            yield path, f"required key [{name}] not found"
    for name, item in given.items():
        if name in known:
            yield from _check(root, known[name], item, f"{path}/{name}")
            continue
        pattern = next((p for p in patterns if _matches(p, name)), None)
        if pattern is not None:
            yield from _check(root, patterns[pattern], item, f"{path}/{name}")
        elif schema.get("additionalProperties") is False:
            yield path, f"extraneous key [{name}] is not permitted"


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # another dialect of expressions
        return True


def _check_scalar(schema: Schema, types: set[Any], value: Any, path: str) -> Iterator[Problem]:
    allowed = schema.get("enum")
    if allowed is not None:
        texts = {_as_text(option) for option in allowed}
        if _as_text(value) not in texts:
            yield path, f"{value} is not a valid enum value"
    if types & {"integer", "number"} and "string" not in types:
        number = float(value)
        if "minimum" in schema and number < schema["minimum"]:
            yield path, f"{value} is not greater or equal to {schema['minimum']}"
        if "maximum" in schema and number > schema["maximum"]:
            yield path, f"{value} is not less or equal to {schema['maximum']}"


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
