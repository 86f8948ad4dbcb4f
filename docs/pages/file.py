"""docs/reference/file.md: every key of fairway.yml, from the models of file.py and spec.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairway.define.file import Environment, ExistingNetwork, Expect, File, Network
from fairway.define.spec import KINDS, RETENTION_DAYS, Auth, Index, KeyAttribute, Spec
from pages.markdown import write_code, write_fence, write_table

COMPLETE = Path(__file__).parents[1] / "reference" / "complete.yml"
# The small languages of define/values.py, known by the example in their JSON Schema.
WORDS = {
    "512MB": "size",
    "eu-west-1": "code of a region",
    "30s": "duration",
    "api": "name",
    "services/*": "folder",
    "10.0.0.0/16": "IPv4 network",
    "123456789012": "account number in quotes",
    "GET /users": "route",
    "https://tenant.example/": "URL",
    "PAGE_SIZE": "variable",
    "3M per month": "count",
    "120ms": "duration",
    "5GB": "size",
}
PARTS: dict[str, type[Spec]] = {
    "Environment": Environment,
    "Network": Network,
    "ExistingNetwork": ExistingNetwork,
    "Expect": Expect,
    "Auth": Auth,
    "Index": Index,
    "KeyAttribute": KeyAttribute,
}
INTRO = f"""# fairway.yml

One file describes the application. It is YAML 1.2, read strictly: unknown keys, duplicate
keys, merge keys (`<<`) and tags are errors, and `on`, `yes` and `12:30` are plain text. Every
message names its line. `fairway schema` prints the JSON Schema for editors.

Sizes are whole numbers with `MB` or `GB`, durations with `s`, `m`, `h` or `d`. Names have up to
32 small letters, digits and single hyphens. A route is a method (`GET`, `HEAD`, `POST`, `PUT`,
`PATCH`, `DELETE`, `OPTIONS` or `ANY`) and a path. CloudWatch Logs keeps lines for certain terms
only, in days: {", ".join(map(str, RETENTION_DAYS))}.

"""
ENVIRONMENTS = """
A root of services has `services` in place of `components`: [Services](../services.md).

An environment's `components`, `expect`, `network` and `resources` are laid over the file's:
mappings merge key by key, everything else is replaced.
"""


def make_page() -> str:
    parts = [INTRO + "## The whole file\n", _describe(File), "## Components\n"]
    parts.append("Every component has a `type`; the rest depends on it.\n")
    for kind, model in KINDS.items():
        parts += [f"### type: {kind}\n", f"{model.__doc__}\n", _describe(model)]
    parts.append("## Parts\n")
    for name, model in PARTS.items():
        parts += [f"### {name}\n", f"{model.__doc__}\n", _describe(model)]
        parts += [ENVIRONMENTS] if model is Environment else []
    parts += ["## Complete example\n", "Every key once. It passes `fairway check`.\n"]
    return "\n".join([*parts, write_fence("yaml", COMPLETE.read_text())])


def _describe(model: type[Spec]) -> str:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    rows = []
    for key, field in schema["properties"].items():
        default = "required" if key in required else _show_default(field)
        rows.append([f"`{key}`", _say_type(field), default, _say_meaning(key, field)])
    return write_table(["key", "value", "default", "meaning"], rows)


def _say_meaning(key: str, field: dict[str, Any]) -> str:
    assert key == "type" or field.get("description"), f"the key {key} has no description"
    return field.get("description", "The kind of component.")


def _say_type(field: dict[str, Any]) -> str:
    """What to write, in words; a form that is not known here is an error."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        assert name in PARTS, f"{name} is not described"
        return f"[{name}](#{name.lower()})"
    if "examples" in field:
        example = field["examples"][0]
        return f"{WORDS[example]}, like `{example}`"
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(_say_type(f) for f in choices if f.get("type") != "null")
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return write_code(map(str, field["enum"]))
    return _say_plain_type(field)


def _say_plain_type(field: dict[str, Any]) -> str:
    match field["type"]:
        case "string":
            return "text"
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return (
                f"whole number, {field['minimum']} or more"
                if "minimum" in field
                else "whole number"
            )
        case "array":
            return f"list of {_say_type(field['items'])}"
        case "object":
            return _say_mapping(field)
    raise ValueError(f"no words for {field}")


def _say_mapping(field: dict[str, Any]) -> str:
    """Keys that must have a form come as a pattern, with the form's example beside it."""
    patterns = field.get("patternProperties")
    value = next(iter(patterns.values())) if patterns else field.get("additionalProperties")
    key = _say_type(field["propertyNames"]) if patterns else "text"
    return f"mapping of {key} to {_say_type(value) if isinstance(value, dict) else 'anything'}"


def _show_default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, {}, []):
        return "none"
    example = (field.get("examples") or [""])[0]
    if example == "512MB":
        value = f"{value}MB"
    elif example == "30s":
        value = f"{value // 86400}d" if value % 86400 == 0 else f"{value}s"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
