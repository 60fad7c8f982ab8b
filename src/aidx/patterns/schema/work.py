"""What it takes to enforce a schema, estimated before it is done.

One request must not hold up the others: classifying a schema happens where they are read, and takes about 65
microseconds a plain part of it. What takes longer counts as that many parts.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aidx.patterns.schema.keywords import Schema
from aidx.patterns.schema.prepare import LOOSE, MOST_ITEMS
from aidx.patterns.schema.shape import UnenforceableError

MOST = 512
RANGE = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
OF_RANGE = 8  # digits become an expression
OF_FORMAT = 5
OF_EXPRESSION = 4
OF_NAMES = 4  # of properties, which an expression describes
OF_FREE = 3  # names that are free
OF_LEAST = 8  # items that must be there
OF_MOST = 64  # items that may
LETTERS = 80  # of an expression, with its repetitions written out
VALUES = 8  # of an enumeration
INSIDE = 5  # of these: a value in a value
LONGEST = MOST * LETTERS
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d{1,9})(?:,(\d{0,9}))?\}|[()]|.", re.DOTALL)


class Work:
    """How much there is to do, and for which keywords."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def take(self, schema: Schema) -> None:
        """Count *schema*, without what stands in schemas below it; raises ``UnenforceableError`` over `MOST`."""
        self._of["parts"] += 1
        if schema is True or schema == {}:
            self._of["parts"] += 1
        elif isinstance(schema, Mapping):
            self._words(schema)
        done = self._of.total()
        if done > MOST:
            word, most = self._of.most_common(1)[0]
            about = "its parts, once references are followed" if word == "parts" else word
            raise UnenforceableError(
                f"the schema is worth {done} parts or more, at most {MOST} are enforced; {most} of it is for {about}",
                keyword="$ref" if word == "parts" else word,
                hint="Ask for less at a time, or leave out what need not be enforced.",
            )

    def _words(self, schema: Mapping[str, Any]) -> None:
        self._types(schema)
        if not RANGE.isdisjoint(schema):
            self._of["maximum" if "maximum" in schema else "minimum"] += OF_RANGE
        if "const" in schema:
            self._of["const"] += values(schema["const"]) // VALUES
        if isinstance(schema.get("enum"), list):
            self._of["enum"] += sum(values(value) for value in schema["enum"][: MOST * VALUES]) // VALUES
        if isinstance(schema.get("oneOf"), list):
            self._of["oneOf"] += len(schema["oneOf"])
        if isinstance(schema.get("required"), list):
            named = schema.get("properties")
            self._of["required"] += 2 * max(
                0, len(schema["required"]) - len(named if isinstance(named, Mapping) else ())
            )
        self._of["multipleOf"] += "multipleOf" in schema
        self._items(schema)
        self._of["format"] += OF_FORMAT * ("format" in schema)
        self._expressions(schema)

    def _items(self, schema: Mapping[str, Any]) -> None:
        """Each item that must or may be there is written out; few are as in any array, and too many are no bound."""
        least, most = number(schema.get("minItems")), number(schema.get("maxItems"))
        self._of["minItems"] += ("minItems" in schema) + int(min(least, MOST * OF_LEAST) // OF_LEAST)
        self._of["maxItems"] += int(most // OF_MOST) if LOOSE.items < most <= MOST_ITEMS else 0

    def _types(self, schema: Mapping[str, Any]) -> None:
        kinds = schema.get("type")
        named = kinds if isinstance(kinds, list) else [kinds]
        self._of["type"] += len(named) - 1 + ("array" in named and "items" not in schema)
        if "object" in named and schema.get("additionalProperties", "properties" not in schema) is not False:
            self._of["additionalProperties"] += OF_FREE
        if len(named) > 1 and "number" in named:
            self._of["type"] += OF_RANGE * (1 + ("integer" in named))

    def _expressions(self, schema: Mapping[str, Any]) -> None:
        if "pattern" in schema:
            self._of["pattern"] += OF_EXPRESSION + letters(str(schema["pattern"])) // LETTERS
        names = schema.get("patternProperties")
        for pattern in names if isinstance(names, Mapping) else ():
            self._of["patternProperties"] += OF_EXPRESSION + OF_NAMES + letters(pattern) // LETTERS


def number(value: object) -> float:
    """*value*, where it is a number above 0, else 0."""
    return max(value, 0) if isinstance(value, int | float) else 0


def values(value: object, each: int = 1) -> int:
    """What a listed *value* is worth: 1, or many times that for each value inside it; too much is not counted out."""
    if not isinstance(value, Mapping | list):
        return each
    found = INSIDE
    for inner in value.values() if isinstance(value, Mapping) else value:
        found += values(inner, INSIDE)
        if found > MOST * VALUES:
            break
    return found


def letters(pattern: str) -> int:
    """The length of *pattern* with its repetitions written out, about; counted no further than what is too much."""
    if len(pattern) > LONGEST:
        return LONGEST
    sizes, last = [0], 0
    for found in _ATOM.finditer(pattern):
        if found[1] is not None:
            sizes[-1] += last * (max(int(found[1]), int(found[2] or 0)) - 1)
            last *= max(int(found[1]), int(found[2] or 0), 1)
        elif found[0] == "(":
            sizes.append(0)
            last = 0
        elif found[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += 1
        if sizes[-1] > LONGEST:
            return LONGEST
    return min(sum(sizes), LONGEST)
