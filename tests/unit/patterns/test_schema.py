"""Schemas, prepared by hand."""

import pytest

from aidx.patterns.schema.inline import inline
from aidx.patterns.schema.keywords import where, without
from aidx.patterns.schema.prepare import Bounds, longest, prepare, tight
from aidx.patterns.schema.valid import at_bounds, decode, objections

SMALL = Bounds(string=10, items=3, properties=2, key=5, levels=1)


def test_references_are_replaced_wherever_they_point():
    schema = {
        "$defs": {"a/b": {"type": "integer"}, "c~": {"enum": [1]}},
        "properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#/$defs/c~0"}, "z": {"$ref": "#/$defs/a%7E1b"}},
        "anyOf": [{"$ref": "#/properties/x"}],
    }
    assert inline(schema) == {
        "properties": {"x": {"type": "integer"}, "y": {"enum": [1]}, "z": {"type": "integer"}},
        "anyOf": [{"type": "integer"}],
    }


def test_objects_are_closed_and_strings_and_arrays_bounded():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "null"}}},
    }
    assert prepare(schema, SMALL) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "maxLength": 10},
            "b": {"type": "array", "items": {"type": "null"}, "maxItems": 3},
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 99},
        {"type": "string", "pattern": "^a$"},
        {"type": "string", "format": "uuid"},
        {"enum": ["a"]},
        {"const": {"a": 1}},
        {"type": "array", "items": {"type": "null"}, "maxItems": 99},
        {"type": "number", "minimum": 0, "maximum": 1},
    ],
)
def test_what_has_a_bound_of_its_own_is_left_alone(schema):
    assert prepare(schema, SMALL) == schema


def test_the_least_that_is_asked_for_goes_before_a_bound_of_ours():
    assert prepare({"type": "string", "minLength": 20}, SMALL)["maxLength"] == 20
    assert prepare({"type": "array", "items": {"type": "null"}, "minItems": 7}, SMALL)["maxItems"] == 7


def test_branches_are_left_as_open_as_the_object_they_are_part_of():
    schema = {"type": "object", "properties": {"a": {"type": "null"}}, "anyOf": [{"required": ["a"]}, {"required": []}]}
    found = prepare(schema, SMALL)
    assert found["anyOf"] == schema["anyOf"]
    assert found["additionalProperties"] is False


def test_objects_that_are_all_of_several_become_one_that_can_be_closed():
    parts = [{"properties": {"a": {"minimum": 1}}, "required": ["a"]}, {"properties": {"a": {"maximum": 5}, "b": True}}]
    found = prepare({"allOf": parts}, SMALL)
    assert found["additionalProperties"] is False
    assert found["required"] == ["a"]
    assert list(found["properties"]) == ["a", "b"]


def test_a_property_that_is_required_and_not_described_can_be_given():
    found = prepare({"type": "object", "required": ["id"]}, SMALL)
    assert "id" in found["properties"]


def test_narrow_bounds_make_the_longest_answer_fit():
    schema = {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}
    for room in (40, 100, 400, 2000):
        assert longest(prepare(schema, tight(schema, room)), {}) <= max(room, 60)


def test_keywords_are_found_and_left_out_but_not_names_of_properties():
    schema = {"properties": {"not": {"not": {"const": 1}}, "b": {"items": [{"not": True}]}}}
    assert list(where(schema, "not")) == ["#/properties/not/not", "#/properties/b/items/0/not"]
    assert without(schema, "not") == {"properties": {"not": {}, "b": {"items": [{}]}}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("```json\n1\n```", "no JSON"),
        ('{"a":1,"a":2}', "twice"),
        ("NaN", "NaN"),
        ("1e999", "too large"),
        ("[" * 100_000, "nested too deep"),
        ('"x"', 'is not of type "integer"'),
        ("3", "greater"),
    ],
)
def test_what_is_wrong_is_said_in_words(text, words):
    reasons = objections({"type": "integer", "maximum": 2}, text)
    assert words in reasons[0]
    assert all("\n" not in reason and len(reason) < 300 for reason in reasons)


def test_at_most_three_reasons_with_their_places():
    schema = {"type": "array", "items": {"type": "integer"}}
    assert [reason[:5] for reason in objections(schema, '["a","b","c","d"]')] == ["at /0", "at /1", "at /2"]


def test_where_a_bound_of_ours_was_reached():
    assert at_bounds(decode('{"a":"0123456789","b":[1,2,["x"]],"c":"short"}'), SMALL) == ("/a", "/b")
    assert at_bounds(decode('"0123456789"'), SMALL) == ("/",)
