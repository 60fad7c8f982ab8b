"""Schemas in the few words that services elsewhere are held to, or none."""

import pytest

from aidx.gate.schema import shape as shape_of
from aidx.patterns.schema.narrow import narrow

ITEM = {"type": "object", "properties": {"z": {"type": "number"}}, "required": ["z"]}
WHOLE = {
    "type": "object",
    "title": "Found",
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"},
        "kind": {"enum": ["a", "b", None]},
        "one": {"const": 1},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1},
        "more": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
    },
    "required": ["items", "name", "kind", "one", "more"],
    "$defs": {"item": ITEM},
}


def prepared(schema):
    return shape_of("x", schema).grammar


def closed(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def test_what_all_services_know_is_kept_and_bounds_are_left_out():
    assert narrow(prepared(WHOLE)) == closed(
        name={"type": "string"},
        kind={"type": ["null", "string"], "enum": ["a", "b", None]},
        one={"type": "integer", "enum": [1]},
        items={"type": "array", "items": closed(z={"type": "number"})},
        more={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    )


def nested(levels):
    return {"type": "integer"} if not levels else closed(a=nested(levels - 1))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "array", "items": ITEM},
        {"anyOf": [ITEM, ITEM]},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}},  # one that may be left out
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": [[1]]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"prefixItems": [ITEM], "type": "array"}}, "required": ["a"]},
        {"type": "object", "patternProperties": {"^a": {"type": "integer"}}},
        nested(5),
        True,
    ],
)
def test_of_any_other_there_is_none(schema):
    assert narrow(schema if schema is True else prepared(schema)) is None


def test_four_levels_are_narrow():
    assert narrow(prepared(nested(4))) == nested(4)
