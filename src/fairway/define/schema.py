"""The vocabulary as JSON Schema, for editors."""

from __future__ import annotations

from typing import Any

from fairway.define.file import File, Network
from fairway.define.spec import KINDS


def make_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of fairway.yml."""
    schema = File.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    branches = []
    for kind, model in KINDS.items():
        own = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= own.pop("$defs", {})
        definitions[model.__name__] = own
        condition = {"properties": {"type": {"const": kind}}, "required": ["type"]}
        branches.append({"if": condition, "then": {"$ref": f"#/$defs/{model.__name__}"}})
    definitions |= {"Network": Network.model_json_schema(ref_template="#/$defs/{model}")}
    definitions |= definitions["Network"].pop("$defs", {})
    components = schema["properties"]["components"]
    components["additionalProperties"] = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(KINDS)}},
        "allOf": branches,
    }
    # A root has services, and everything else components.
    schema["oneOf"] = [{"required": ["components"]}, {"required": ["services"]}]
    schema |= {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fairway.yml",
    }
    return schema
