"""The keywords of JSON Schema, by what stands under them, and walks over what they hold."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any] | bool

ONE = frozenset(
    {
        *("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames"),
        *("then", "unevaluatedItems", "unevaluatedProperties"),
    }
)
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})
DEFINITIONS = frozenset({"$defs", "definitions"})
# All that says what a value must be like; whatever else stands in a schema are remarks.
CONSTRAINTS = (
    ONE
    | LISTS
    | MAPS
    | {
        *("$dynamicRef", "$recursiveRef", "const", "dependencies", "dependentRequired", "enum", "exclusiveMaximum"),
        *("exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum"),
        *("minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "required"),
        *("type", "uniqueItems"),
    }
)


def each(schema: Mapping[str, Any], change: Callable[[Schema], Schema]) -> dict[str, Any]:
    """*schema* with every schema directly below it changed."""
    return {word: _below(word, value, change) for word, value in schema.items()}


def _below(word: str, value: Any, change: Callable[[Schema], Schema]) -> Any:  # noqa: ANN401 - JSON
    if word in MAPS and isinstance(value, Mapping):
        return {name: change(inner) for name, inner in value.items()}
    if word in LISTS and isinstance(value, list):
        return [change(inner) for inner in value]
    if word in ONE and isinstance(value, Mapping | bool):
        return change(value)
    return value


def below(schema: Mapping[str, Any]) -> Iterator[Schema]:
    """Every schema directly below *schema*."""
    for word, value in schema.items():
        if word in MAPS and isinstance(value, Mapping):
            yield from value.values()
        elif word in LISTS and isinstance(value, list):
            yield from value
        elif word in ONE and isinstance(value, Mapping | bool):
            yield value


def where(schema: Schema, wanted: str) -> Iterator[str]:
    """The places in *schema* where the keyword *wanted* stands, as JSON pointers."""
    return (place for place, _ in standing(schema, wanted))


def standing(schema: Schema, wanted: str, at: str = "#") -> Iterator[tuple[str, Any]]:
    """The same places with what stands there."""
    if not isinstance(schema, Mapping):
        return
    for word, value in schema.items():
        if word == wanted:
            yield f"{at}/{word}", value
        if (word in MAPS or word in DEFINITIONS) and isinstance(value, Mapping):
            for name, inner in value.items():
                yield from standing(inner, wanted, f"{at}/{word}/{name}")
        elif word in LISTS and isinstance(value, list):
            for number, inner in enumerate(value):
                yield from standing(inner, wanted, f"{at}/{word}/{number}")
        elif word in ONE:
            yield from standing(value, wanted, f"{at}/{word}")


def without(schema: Schema, words: Collection[str]) -> Schema:
    """*schema* less the keywords *words*, everywhere."""
    if not isinstance(schema, Mapping):
        return schema
    kept = {name: value for name, value in schema.items() if name not in words}
    return each(kept, lambda inner: without(inner, words))


def nothing_but(schema: Mapping[str, Any]) -> bool:
    """Whether the ``not`` of *schema* plainly denies all that the rest of it allows."""
    denied = schema["not"]
    if denied in (True, {}):
        return True
    if not isinstance(denied, Mapping) or denied.keys() != {"type"} or "type" not in schema:
        return False
    own, others = (kinds if isinstance(kinds, list) else [kinds] for kinds in (schema["type"], denied["type"]))
    return all(kind in others or (kind == "integer" and "number" in others) for kind in own)
