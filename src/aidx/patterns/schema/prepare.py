"""A schema as an engine is given it: closed and bounded, so that an answer that follows it comes to an end.

Whatever the prepared schema allows, the schema itself allows too. Objects take the properties that are named and no
others; strings and arrays without a bound of their own get one. An object of which nothing is said holds values of a
few levels, not of any number.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from aidx.patterns.schema.keywords import Schema, each

NUMBER, ANYTHING = "number", "anything"
SCALARS = ("null", "boolean")
OF_OBJECTS = frozenset(
    {"additionalProperties", "maxProperties", "minProperties", "patternProperties", "properties", "required"}
)
OF_ARRAYS = frozenset({"items", "maxItems", "minItems", "prefixItems"})
COMPOSED = frozenset({"allOf", "anyOf", "oneOf"})
RANGE = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")
TEXTS = frozenset({"const", "enum", "format", "pattern"})  # a string with one of them is as long as it says
DIGITS = 999_999_999_999  # the largest number where digits are bounded; exact in every reader of JSON
LARGEST = 10**15  # of any other: within bounds there are no exponents, and 1e999 is no number to most readers
MOST_ITEMS = 4096  # of an array; a larger bound is none: the engine writes out each item, at 2 KB and 15 us
SECONDS = "^[^:]*:[^:]*:[0-5]"  # of times: a leap second is one on few days, and a grammar does not know which


class Bounds(NamedTuple):
    """Most characters of a string, items of an array, properties of an object, levels of a value that may be anything.

    They stand in where the schema has no bound of its own; *key* is of names that are free. With *digits* whole
    numbers are bounded too, and fractions short.
    """

    string: int = 4096
    items: int = 256
    properties: int = 64
    key: int = 64
    levels: int = 3
    digits: bool = False


LOOSE = Bounds()


def prepare(schema: Schema, bounds: Bounds = LOOSE) -> dict[str, Any]:
    """*schema*, which has no references any more, closed and bounded."""
    found = _closed(merged(schema), bounds)
    return found if isinstance(found, dict) else _anything(bounds, bounds.levels)


def shared(schema: Mapping[str, Any], bounds: Bounds = LOOSE) -> dict[str, Any]:
    """*schema*, which was prepared with *bounds*, with any number and any value written out once, under ``$defs``.

    A grammar of a thousand of them is as large as one of one.
    """
    number = _number(bounds)
    whole = {f"{ANYTHING}{levels}": _anything(bounds, levels) for levels in range(bounds.levels + 1)}
    known = {id(value): name for name, value in whole.items()}
    used: set[str] = set()

    def short(inner: Schema) -> Schema:
        name = known.get(id(inner)) or (NUMBER if inner == number else None)
        if name is not None:
            used.add(name)
            return {"$ref": f"#/$defs/{name}"}
        return each(inner, short) if isinstance(inner, Mapping) else inner

    found = each(schema, short)
    if not used:
        return found
    written = {name: each(value, short) for name, value in whole.items() if name <= max(used)}
    return {**found, "$defs": {NUMBER: number, **written} if NUMBER in used else written}


def merged(schema: Schema) -> Schema:
    """*schema* with every ``allOf`` of plain objects made one object, so that it can be closed."""
    if not isinstance(schema, Mapping):
        return schema
    found = each(schema, merged)
    parts = found.get("allOf")
    if not isinstance(parts, list):
        return found
    rest = {word: value for word, value in found.items() if word != "allOf"}
    whole = [part for part in [*parts, rest] if part not in (True, {})]
    if len(whole) == 1 and isinstance(whole[0], dict):
        return whole[0]
    joined = _joined(whole)
    return found if joined is None else joined


def _joined(parts: list[Any]) -> dict[str, Any] | None:
    """One object that is all of *parts*; ``None`` where they are more than properties."""
    plain = {"type", "properties", "required"}
    if not all(
        isinstance(part, dict) and part.keys() <= plain and part.get("type", "object") == "object" for part in parts
    ):
        return None
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    for part in parts:
        for name, inner in part.get("properties", {}).items():
            known = properties.get(name)
            properties[name] = inner if known in (None, inner) else merged({"allOf": [known, inner]})
        required |= dict.fromkeys(part.get("required", ()))
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return found | ({"required": list(required)} if required else {})


def _closed(schema: Schema, bounds: Bounds, *, part: bool = False) -> Schema:
    """Close and bound *schema*; as a *part* of another one it is left as open as it is."""
    if schema is True or schema == {}:
        return True if part else _anything(bounds, bounds.levels)
    if not isinstance(schema, Mapping):
        return schema
    composed = bool(schema.keys() & COMPOSED)
    inner = part or (composed and bool(schema.keys() & (OF_OBJECTS | OF_ARRAYS))) or "allOf" in schema
    found = {word: _word(word, value, bounds, inner) for word, value in schema.items()}
    if _count(found, "maxItems") > MOST_ITEMS:
        del found["maxItems"]
    if part or "enum" in schema or "const" in schema or (composed and not _complete(schema)):
        return found
    return _bounded(found, bounds)


def _complete(schema: Mapping[str, Any]) -> bool:
    """Whether all properties that branches of *schema* speak of are its own."""
    own = schema.get("properties", {}).keys()
    return bool(own) and all(_names(part) <= own for word in COMPOSED for part in schema.get(word, ()))


def _names(schema: Schema) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()
    inner = [name for word in COMPOSED for part in schema.get(word, ()) for name in _names(part)]
    return {*schema.get("properties", {}), *schema.get("patternProperties", {}), *schema.get("required", ()), *inner}


def _word(word: str, value: Any, bounds: Bounds, inner: bool) -> Any:  # noqa: ANN401, FBT001 - JSON
    """What stands under *word*: branches belong to the schema they stand in, properties and items are their own."""
    of_branch = word in COMPOSED
    return each({word: value}, lambda below: _closed(below, bounds, part=inner and of_branch))[word]


def _bounded(found: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    kinds = _kinds(found)
    if "object" in kinds:
        _bound_object(found, bounds)
    if "array" in kinds:
        _bound_array(found, bounds)
    if "string" in kinds and not found.keys() & (TEXTS | {"maxLength"}):
        found["maxLength"] = max(bounds.string, _count(found, "minLength"))
    if found.get("format") in {"date-time", "time"} and "pattern" not in found:
        found["pattern"] = SECONDS
    if kinds & {"integer", "number"}:
        _bound_number(found, kinds, bounds)
    return found


def _kinds(found: Mapping[str, Any]) -> set[str]:
    """The types that *found* is bounded as: those it names, or the one that its keywords speak of."""
    named = found.get("type")
    if named is not None:
        return {named} if isinstance(named, str) else set(named)
    about = {"object": OF_OBJECTS, "array": OF_ARRAYS, "string": {"minLength", "maxLength", "pattern", "format"}}
    spoken = {kind for kind, words in about.items() if found.keys() & words}
    if len(spoken) == 1 and not found.keys() & {"minimum", "maximum", "multipleOf"}:
        found["type"] = next(iter(spoken))  # type: ignore[index] # a dict of ours
    return spoken


def _bound_object(found: dict[str, Any], bounds: Bounds) -> None:
    properties = dict(found.get("properties", {}))
    if not found.keys() & {"properties", "patternProperties", "additionalProperties", "required", *COMPOSED}:
        found["additionalProperties"] = _anything(bounds, bounds.levels - 1)
    elif "additionalProperties" not in found:
        found["additionalProperties"] = False
    closed = found["additionalProperties"] is False and "patternProperties" not in found
    for name in found.get("required", ()):
        if name not in properties and closed:
            properties[name] = _anything(bounds, bounds.levels - 1)
    if properties:
        found["properties"] = properties
    if found.get("unevaluatedProperties") is False and closed:
        del found["unevaluatedProperties"]  # that is what closing does
    if not closed and "maxProperties" not in found:
        found["maxProperties"] = max(bounds.properties, _count(found, "minProperties"), len(properties))
    if found["additionalProperties"] is not False and not found.keys() & {"properties", "patternProperties"}:
        found["patternProperties"] = {f"^.{{0,{bounds.key}}}$": found["additionalProperties"]}  # names get a bound, too
        found["additionalProperties"] = False


def _bound_array(found: dict[str, Any], bounds: Bounds) -> None:
    first = found.get("prefixItems", [])
    if "items" not in found and not first:
        found["items"] = _anything(bounds, bounds.levels - 1)
    elif "items" not in found:
        found["items"] = False
    if "maxItems" not in found and found["items"] is not False:
        found["maxItems"] = max(bounds.items, _count(found, "minItems"), len(first))


def _bound_number(found: dict[str, Any], kinds: set[str], bounds: Bounds) -> None:
    if "number" not in kinds and not bounds.digits:
        return
    most = DIGITS if bounds.digits else LARGEST
    own = [abs(found[word]) for word in RANGE if isinstance(found.get(word), int | float)]
    if any(number > most for number in own):
        return
    if not found.keys() & {"minimum", "exclusiveMinimum"}:
        found["minimum"] = -most
    if not found.keys() & {"maximum", "exclusiveMaximum"}:
        found["maximum"] = most
    if bounds.digits and "number" in kinds and "multipleOf" not in found:
        found["multipleOf"] = 0.001


def _count(found: Mapping[str, Any], word: str) -> int:
    value = found.get(word, 0)
    return int(value) if isinstance(value, int | float) else 0


def _number(bounds: Bounds) -> dict[str, Any]:
    """Any number."""
    number: dict[str, Any] = {"type": "number"}
    _bound_number(number, {"number"}, bounds)
    return number


@lru_cache(maxsize=64)
def _anything(bounds: Bounds, levels: int) -> dict[str, Any]:
    """Any value of so many *levels*; always the same object, which nobody changes."""
    number = _number(bounds)
    scalars = [{"type": list(SCALARS)}, number, {"type": "string", "maxLength": bounds.string}]
    if levels <= 0:
        return {"anyOf": scalars}
    below = _anything(bounds, levels - 1)
    thing = {"type": "object", "additionalProperties": below}
    _bound_object(thing, bounds)
    return {"anyOf": [*scalars, {"type": "array", "items": below, "maxItems": bounds.items}, thing]}


def tight(schema: Schema, room: int) -> Bounds:
    """Bounds with which the longest answer to *schema* has about *room* characters, where that can be done."""
    for items, string in ((16, 256), (8, 128), (4, 64), (2, 48), (2, 24), (1, 16), (1, 8)):
        bounds = Bounds(string, items, items, min(string, 16), 1, digits=True)
        if longest(prepare(schema, bounds), {}) <= room:
            return bounds
    return Bounds(4, 1, 1, 4, 0, digits=True)


def longest(schema: Schema, known: dict[int, int]) -> int:
    """Characters of the longest answer to a prepared *schema*, roughly; *known* are those of schemas met before."""
    if not isinstance(schema, Mapping):
        return 8
    if id(schema) not in known:
        known[id(schema)] = _longest(schema, known)
    return known[id(schema)]


def _longest(schema: Mapping[str, Any], known: dict[int, int]) -> int:
    if "const" in schema or "enum" in schema:
        return max(len(str(value)) + 2 for value in schema.get("enum", [schema.get("const")]))
    branches = [longest(part, known) for word in COMPOSED for part in schema.get(word, ())]
    own = 16
    if "maxLength" in schema:
        own = max(own, _count(schema, "maxLength") + 2)
    elif "pattern" in schema or "format" in schema:
        own = max(own, 48)
    own = max(own, _longest_array(schema, known), _longest_object(schema, known))
    return max([own, *branches])


def _longest_array(schema: Mapping[str, Any], known: dict[int, int]) -> int:
    first = schema.get("prefixItems", [])
    more = max(0, _count(schema, "maxItems") - len(first))
    return (
        2 + sum(longest(each_, known) + 1 for each_ in first) + more * (longest(schema.get("items", False), known) + 1)
    )


def _longest_object(schema: Mapping[str, Any], known: dict[int, int]) -> int:
    named = schema.get("properties", {})
    free = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties", False)]
    more = max(0, _count(schema, "maxProperties") - len(named)) * max(
        0 if part is False else longest(part, known) + 20 for part in free
    )
    return 2 + sum(len(name) + 4 + longest(inner, known) for name, inner in named.items()) + more
