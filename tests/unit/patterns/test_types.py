"""Types of several libraries, as schemas and back."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypedDict

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter, field_validator

from aidx.errors import InputError
from aidx.gate.schema import shape
from aidx.patterns.schema.types import schema_of, value_of
from aidx.patterns.schema.valid import objections


@dataclass
class Point:
    x: int
    y: float = 0.0


class Order(BaseModel):
    size: Literal["S", "M"]
    next: Point | None = None

    @field_validator("size")
    @classmethod
    def none_are_left(cls, size):
        if size == "M":
            raise ValueError("sold out")
        return size


class Row(msgspec.Struct):
    name: str
    cells: list[int]


class Pair(NamedTuple):
    a: int
    b: str


class Told(TypedDict):
    a: bool


class Colour(Enum):
    RED = "red"


CASES = [
    (Point, '{"x":1,"y":2.5}', Point(1, 2.5)),
    (Order, '{"size":"S","next":{"x":1}}', Order(size="S", next=Point(1))),
    (TypeAdapter(list[int]), "[1,2]", [1, 2]),
    (Row, '{"name":"a","cells":[1]}', Row("a", [1])),
    (Pair, '[1,"x"]', Pair(1, "x")),
    (Told, '{"a":true}', {"a": True}),
    (Colour, '"red"', Colour.RED),
    (list[Point], '[{"x":1,"y":0.0}]', [Point(1)]),
    (Literal["a", 3], "3", 3),
    ({"type": "integer"}, "3", 3),
]


@pytest.mark.parametrize(("kind", "text", "value"), CASES, ids=lambda case: str(case)[:30])
def test_a_type_is_a_schema_that_is_enforced_and_text_becomes_a_value_of_it(kind, text, value):
    found = shape("x", schema_of(kind), strict=True)

    assert found.weakened == ()
    assert value_of(kind, text) == value


@pytest.mark.parametrize("kind", [print, object(), lambda: 1], ids=["function", "object", "lambda"])
def test_what_is_no_type_is_refused_with_what_is_taken(kind):
    with pytest.raises(InputError, match="no type with a schema") as refused:
        schema_of(kind)
    assert "Pydantic" in refused.value.hint


def test_what_a_type_wants_beyond_its_schema_is_said():
    with pytest.raises(InputError, match=r"Order wants more than its schema says: .*sold out"):
        value_of(Order, '{"size":"M"}')


def outlines(name="Term", **fields):
    """A term as Outlines makes them, see benchmarks/outlines_types.py; its package is known by its name alone."""
    return type(name, (), {**fields, "__module__": "outlines.types.dsl"})()


def test_types_of_outlines_are_taken_where_they_are_schemas():
    assert schema_of(outlines(schema='{"type": "null"}')) == {"type": "null"}
    assert schema_of(outlines(pattern="a|b")) == {"type": "string", "pattern": "^(?:a|b)$"}
    assert schema_of(outlines(items=["a", "b"])) == {"enum": ["a", "b"]}
    assert value_of(outlines(items=["a"]), '"a"') == "a"
    with pytest.raises(InputError, match="a CFG of Outlines' is no schema"):
        schema_of(outlines("CFG", definition="x"))


DIGIT = outlines("Regex", pattern="[0-9]")


@pytest.mark.parametrize(
    ("term", "good", "bad"),
    [
        (outlines("String", value="a.b"), "a.b", "a-b"),
        (outlines("Sequence", terms=[DIGIT, outlines("String", value=" apples")]), "3 apples", "apples"),
        (outlines("Alternatives", terms=[outlines("String", value="a"), DIGIT]), "7", "b"),
        (outlines("Optional", term=DIGIT), "", "12"),
        (outlines("KleeneStar", term=DIGIT), "", "a"),
        (outlines("KleenePlus", term=DIGIT), "123", ""),
        (outlines("QuantifyExact", term=DIGIT, count=2), "12", "1"),
        (outlines("QuantifyMinimum", term=DIGIT, min_count=2), "123", "1"),
        (outlines("QuantifyMaximum", term=DIGIT, max_count=2), "12", "123"),
        (outlines("QuantifyBetween", term=outlines(items=["ab", "c"]), min_count=1, max_count=2), "abc", "ccc"),
    ],
)
def test_terms_of_text_are_a_string_that_they_describe(term, good, bad):
    schema = shape("x", schema_of(term), strict=True).schema
    assert objections(schema, json.dumps(good)) == ()
    assert objections(schema, json.dumps(bad)) != ()
