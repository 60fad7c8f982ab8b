"""A schema in the few words that services elsewhere hold an answer to.

What OpenAI's strict mode, Gemini's, OpenRouter's and Anthropic's structured outputs have in common: objects that are
closed and whose properties are all required, no bounds of numbers, strings and arrays, no patterns. Bounds are left
out, for answers are checked afterwards; of any other schema there is no narrow one.
"""

from collections.abc import Mapping
from typing import Any

from aidx.patterns.schema.keywords import CONSTRAINTS, Schema

LEVELS = 5
KEPT = frozenset({"type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf"})
LEFT_OUT = frozenset(
    {
        *("exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maximum", "minItems"),
        *("minLength", "minimum", "multipleOf", "pattern", "uniqueItems"),
    }
)
NUMBER = "#/$defs/number"  # as ``prepare.shared`` writes any number
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


class _TooWideError(Exception):
    """What no service is known to be held to."""


def narrow(schema: Schema) -> dict[str, Any] | None:
    """*schema*, which was prepared, in those words; ``None`` where it says more, or is no object."""
    try:
        found = _narrow(schema, LEVELS)
    except _TooWideError:
        return None
    return found if found.get("type") == "object" else None


def _narrow(schema: Schema, levels: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not levels:
        raise _TooWideError
    if schema.get("$ref") == NUMBER:
        return {"type": "number"}
    if "$ref" in schema or (schema.keys() & CONSTRAINTS) - KEPT - LEFT_OUT:
        raise _TooWideError
    found: dict[str, Any] = {}
    if options := _options(schema):
        found |= {"type": sorted({TYPES[type(option)] for option in options}), "enum": options}
        found["type"] = found["type"][0] if len(found["type"]) == 1 else found["type"]
    elif "type" in schema:
        found["type"] = schema["type"]
    types = found.get("type", ())
    if "object" in types or "properties" in schema:
        found |= {"type": found.get("type", "object"), **_object(schema, levels)}
    if "array" in types or "items" in schema:
        found |= {"type": found.get("type", "array"), "items": _narrow(schema.get("items", True), levels - 1)}
    if "anyOf" in schema:
        found["anyOf"] = [_narrow(option, levels - 1) for option in schema["anyOf"]]
    if not found:
        raise _TooWideError
    return found


def _options(schema: Mapping[str, Any]) -> list[Any]:
    options = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if any(type(option) not in TYPES for option in options):
        raise _TooWideError
    return list(options)


def _object(schema: Mapping[str, Any], levels: int) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("additionalProperties") is not False or set(properties) != set(required):
        raise _TooWideError
    inner = {name: _narrow(value, levels - 1) for name, value in properties.items()}
    return {"properties": inner, "required": list(properties), "additionalProperties": False}
