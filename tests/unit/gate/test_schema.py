"""Which schemas are enforced, which are weakened, and which are refused, before anything is generated."""

import json
import re
import time
from pathlib import Path

import pytest

from aidx.gate.schema import grammar_of, shape
from aidx.patterns.schema.inline import inline
from aidx.patterns.schema.prepare import prepare, tight
from aidx.patterns.schema.shape import UnenforceableError
from aidx.patterns.schema.valid import objections
from tests.fakes.grammars import babble

SCHEMAS = json.loads((Path(__file__).parents[2] / "schemas.json").read_text("utf-8"))
SEEDS = range(3)
CPU_S = 0.5  # benchmarks/schemas.py has the figures; what explodes takes minutes


def those(*kinds):
    return pytest.mark.parametrize(
        "one", [one for one in SCHEMAS if one["expect"].startswith(kinds)], ids=lambda one: one["name"]
    )


def test_there_are_enough_of_them():
    assert sum(one["expect"] == "native" for one in SCHEMAS) >= 40


@those("native")
def test_whatever_its_grammar_lets_through_is_valid(one):
    found = shape("x", one["schema"], strict=True)

    assert found.weakened == ()
    for seed in SEEDS:
        text, ended = babble(grammar_of(found.grammar), seed)
        assert ended
        assert objections(one["schema"], text) == ()


@those("native")
def test_narrow_bounds_are_kept_and_what_they_let_through_is_valid(one):
    plain = inline(one["schema"])
    narrow = prepare(plain, tight(plain, 160))
    for seed in SEEDS:
        text, ended = babble(grammar_of(narrow), seed)
        assert ended
        assert objections(one["schema"], text) == ()


@those("weakened")
def test_a_keyword_that_no_grammar_knows_is_left_out_and_named(one):
    found = shape("x", one["schema"])
    assert found.weakened[0].partition(" ")[0] == one["expect"].partition(": ")[2]

    with pytest.raises(UnenforceableError) as refused:
        shape("x", one["schema"], strict=True)
    assert refused.value.keyword == found.weakened[0].partition(" ")[0]
    assert refused.value.keyword in str(refused.value)
    assert refused.value.code == "schema_not_enforceable"


@those("refused")
def test_what_cannot_be_enforced_is_refused_with_the_keyword(one):
    with pytest.raises(UnenforceableError) as refused:
        shape("x", one["schema"])
    assert refused.value.keyword == one["expect"].partition(": ")[2]
    assert "\n" not in str(refused.value)


def test_the_refusal_says_where_the_keyword_stands():
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"not": {"const": 1}}}}
    with pytest.raises(UnenforceableError, match=r"not cannot be enforced \(#/\$defs/n/not\)"):
        shape("x", schema, strict=True)


def test_settings_of_llguidance_s_in_a_schema_are_remarks():
    found = shape("x", {"type": "integer", "x-guidance": {"lenient": True, "whitespace_flexible": True}})
    assert "lenient" not in grammar_of(found.grammar)


def deep(levels):
    schema = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def laughs(levels):
    """References that stand for two to the power of *levels* schemas."""
    levels_ = {
        f"l{number}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/l{number + 1}"}] * 2}
        for number in range(levels)
    }
    return {"$defs": {**levels_, f"l{levels}": {"type": "integer"}}, "$ref": "#/$defs/l0"}


HOSTILE = {
    "a megabyte": {"enum": ["x" * 1000] * 1000},
    "a megabyte of names": {"properties": {f"name{number}": {"type": "integer"} for number in range(40_000)}},
    "deep": deep(40),
    "very deep": deep(5000),
    "references that multiply": laughs(30),
    "a tree": {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"t": {"$ref": "#/$defs/t"}}}}},
    "a circle of references": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "not a schema": ["object"],
    "an address": {"$ref": "http://127.0.0.1:9/schema"},
    "a scheme of its own": {"$schema": "http://127.0.0.1:9/schema"},
    "an expression that explodes": {"type": "string", "pattern": "^((((a{1,200}){1,200}){1,200}){1,200})$"},
    "many intersections": {"allOf": [{"type": "string", "pattern": f"a{number}"} for number in range(30)]},
    "many expressions": {
        "anyOf": [{"type": "string", "pattern": f"(a{{1,40}}|{number}){{1,40}}"} for number in range(90)]
    },
    "properties that are none": {"type": "object", "properties": []},
    "a type of ten thousand": {"type": ["string"] * 10_000},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused_at_once(name):
    shape("warm", {"type": "integer"})  # imports are not the schema's fault
    began = time.process_time()
    with pytest.raises(UnenforceableError) as refused:
        shape("x", HOSTILE[name])
    assert time.process_time() - began < CPU_S
    assert len(str(refused.value)) < 400


def wide(count, one):
    return {"type": "object", "properties": {f"p{number}": one for number in range(count)}}


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        (wide(600, {"type": "string"}), "$ref"),
        (wide(60, {"type": "integer", "minimum": 3, "maximum": 12345}), "maximum"),
        (wide(110, {"type": ["string", "null", "array", "object"]}), "type"),
        (wide(130, {"type": "object"}), "additionalProperties"),
        (wide(90, {"type": "string", "pattern": "^[a-z]+$"}), "pattern"),
        ({"type": "string", "pattern": "^(([a-z]{20}){20}){200}$"}, "pattern"),
        ({"enum": list(range(5000))}, "enum"),
        ({"const": {f"k{number}": number for number in range(1000)}}, "const"),
        ({"oneOf": [{"const": number} for number in range(300)]}, "oneOf"),
        ({"type": "object", "required": [f"k{number}" for number in range(300)]}, "required"),
    ],
)
def test_what_would_hold_up_others_is_refused_with_the_keyword_and_the_limit(schema, keyword):
    with pytest.raises(UnenforceableError) as refused:
        shape("x", schema)
    assert refused.value.keyword == keyword
    assert "512" in str(refused.value) or "64 expressions" in str(refused.value)


def test_anything_and_any_number_are_written_once_and_what_they_let_through_is_valid():
    schema = {
        "type": "object",
        "properties": {"any": {}, "list": {"type": "array"}, "free": {"type": "object"}, "number": {"type": "number"}},
        "required": ["any", "list", "free", "number"],
    }
    found = shape("x", schema, strict=True)

    assert found.grammar["properties"]["number"] == {"$ref": "#/$defs/number"}
    assert found.grammar["properties"]["any"] == {"$ref": "#/$defs/anything3"}
    assert list(found.grammar["$defs"]) == ["number", "anything0", "anything1", "anything2", "anything3"]
    for seed in range(12):
        text, _ = babble(grammar_of(found.grammar), seed)
        assert objections(schema, text) == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {}},
        {"not": True, "type": "object"},
        {"type": "string", "not": {"type": ["string", "null"]}},
        {"type": "integer", "not": {"type": "number"}},
        {"enum": [1, 2], "not": {"type": "integer"}},
        {"const": 1, "not": {"const": 1}},
        {"type": "object", "properties": {"a": {"not": {}}}, "required": ["a"]},
    ],
)
def test_what_nothing_satisfies_is_refused_before_anything_is_asked(schema):
    with pytest.raises(UnenforceableError):
        shape("x", schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "not": {"type": "integer"}},
        {"type": ["string", "null"], "not": {"type": "string"}},
        {"enum": [1, "a"], "not": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"not": {}}}},
        {"type": "string", "not": False},
    ],
)
def test_what_something_satisfies_is_not(schema):
    shape("x", schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            {"properties": {"a": {"type": "string", "pattern": "^(?=x)y"}}},
            'pattern "^(?=x)y" (#/properties/a/pattern) cannot be enforced: look-around takes more than linear time',
        ),
        (
            {"type": "string", "pattern": r"(a)\1"},
            r'pattern "(a)\\1" (#/pattern) cannot be enforced: references back take more than linear time',
        ),
        (
            {"patternProperties": {"(?<!a)b": {}}},
            'patternProperties "(?<!a)b" (#/patternProperties/(?<!a)b) cannot be enforced: look-around',
        ),
        (
            {"type": "string", "pattern": "a("},
            'pattern "a(" (#/pattern) cannot be enforced: it is no regular expression, or too large a one',
        ),
        ({"items": {"type": "strin"}}, "(#/items/type)"),
    ],
)
def test_the_refusal_of_an_expression_says_which_where_and_why(schema, said):
    with pytest.raises(UnenforceableError) as refused:
        shape("x", schema)
    assert said in str(refused.value)


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|a)*b$", r"^(.*a){12}$", r"(x+x+)+y"])
def test_expressions_that_take_others_for_ever_are_harmless(pattern):
    schema = {"type": "string", "pattern": pattern}
    shape("x", schema)
    began = time.process_time()
    objections(schema, json.dumps("a" * 5000 + "!"))
    objections(schema, json.dumps("x" * 5000))
    assert time.process_time() - began < 1


FLAGS = {"type": "array", "items": {"type": "boolean"}}


@pytest.mark.parametrize(
    "schema",
    [
        FLAGS,
        {"anyOf": [FLAGS, {"type": "null"}]},
        {"allOf": [FLAGS, {"minItems": 3}]},
        {"oneOf": [FLAGS, {"type": "array", "minItems": 3}]},
        {"prefixItems": [FLAGS], "items": FLAGS},
        {"$defs": {"flags": FLAGS}, "type": "object", "properties": {"flags": {"$ref": "#/$defs/flags"}}},
    ],
)
@pytest.mark.parametrize("most", [4097, 10**9, 1e18])
def test_no_grammar_has_more_items_than_an_engine_may_write_out(schema, most):
    document = json.loads(json.dumps(schema).replace('"items": {"type"', f'"maxItems": {most}, "items": {{"type"'))
    assert "maxItems" in str(document)
    grammar = json.dumps(shape("x", document).grammar)
    assert all(int(found) <= 4096 for found in re.findall(r'"maxItems": (\d+)', grammar)), grammar


def test_a_bound_that_an_engine_can_write_out_stays():
    assert shape("x", {**FLAGS, "maxItems": 4096}).grammar["maxItems"] == 4096


@pytest.mark.parametrize("least", [4200, 10**9, 1e300])
def test_items_that_must_be_there_are_counted(least):
    with pytest.raises(UnenforceableError, match="minItems") as refused:
        shape("x", {**FLAGS, "minItems": least})
    assert refused.value.keyword == "minItems"


def test_items_of_several_arrays_are_counted_together():
    arrays = {f"a{number}": {**FLAGS, "maxItems": 4096} for number in range(9)}
    with pytest.raises(UnenforceableError) as refused:
        shape("x", {"type": "object", "properties": arrays})
    assert refused.value.keyword == "maxItems"


def of(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


WORDY = {
    "const": {"const": "ab " * 6000},
    "const inside": {"const": ["x" * 9000, "y" * 9000]},
    "enum": {"enum": ["no", "ab " * 6000]},
    "properties": of(**{"n" * 17_000: {"type": "null"}}),
    "pattern": {"type": "string", "pattern": "^(abcd){5000}$"},
    "chain": of(**{f"k{number}": {"const": "z" * 3000} for number in range(6)}),
    "items": {"type": "array", "items": {"const": "z" * 1000}, "minItems": 20},
    "choice": {"anyOf": [{"type": "null"}, {"const": "z" * 17_000}]},
    "reference": {
        "$defs": {"a": {"const": "z" * 6000}},
        **of(b={"$ref": "#/$defs/a"}, c={"$ref": "#/$defs/a"}, d={"$ref": "#/$defs/a"}),
    },
}


@pytest.mark.parametrize("name", WORDY)
def test_a_schema_that_is_an_answer_word_for_word_is_refused(name):
    """What can go on in one way only is written by llguidance itself, in the square of its length."""
    with pytest.raises(UnenforceableError, match=r"bytes of one answer word for word \(most: 16384\)") as wrong:
        shape("a", WORDY[name])
    assert wrong.value.keyword in {"const", "enum", "properties", "pattern"}


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [f"value number {number}" for number in range(2500)]},  # many short ones are no trouble
        {"const": "z" * 16_000},
        {"anyOf": [{"const": str(number) + "z" * 5000} for number in range(5)]},
        of(a={"type": "string", "maxLength": 60_000, "minLength": 60_000}),
    ],
)
def test_one_that_leaves_a_choice_may_be_long(schema):
    assert shape("a", schema).grammar
