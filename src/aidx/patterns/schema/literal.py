"""How much of an answer a schema says word for word.

What can only go on in one way llguidance writes by itself, and the time for that grows with the square of its length:
1.4 s of CPU for 60,000 bytes, 0.1 s for 16,384.
"""

import json
from collections.abc import Mapping
from typing import Any

from aidx.patterns.schema.keywords import LISTS, MAPS, ONE, Schema
from aidx.patterns.schema.shape import UnenforceableError
from aidx.patterns.schema.work import letters, number

MOST = 16 << 10
CHOICES = frozenset({"anyOf", "oneOf"})
BESIDE = 4  # bytes around a name: quotation marks, a colon, a comma


def check(schema: Schema) -> None:
    """Raise ``UnenforceableError`` where *schema*, which has no references, says too much word for word."""
    found = _length(schema)
    if found > MOST:
        raise UnenforceableError(
            f"the schema says {found:.0f} bytes of one answer word for word (most: {MOST})",
            keyword=_blamed(schema),
            hint="Shorten the values of enum and const, the patterns and the names of properties.",
        )


def _length(schema: object) -> float:
    """Bytes of the longest answer's text that stands in *schema*, at least; of several values one is written."""
    if not isinstance(schema, Mapping):
        return 0
    found: float = sum(_own(schema, word) for word in ("const", "enum", "pattern", "properties"))
    for word, value in schema.items():
        found += _below(word, value) * (max(1, number(schema.get("minItems"))) if word == "items" else 1)
    return found


def _below(word: str, value: Any) -> float:  # noqa: ANN401 - JSON
    if word in CHOICES and isinstance(value, list):
        return max(map(_length, value), default=0)
    if word in LISTS and isinstance(value, list):
        return sum(map(_length, value))
    if word in MAPS and isinstance(value, Mapping):
        return sum(map(_length, value.values()))
    return _length(value) if word in ONE else 0


def _own(schema: Mapping[str, Any], word: str) -> int:
    value = schema.get(word)
    if word == "const" and word in schema:
        return _bytes(value)
    if word == "enum" and isinstance(value, list):
        return max(map(_bytes, value), default=0)
    if word == "pattern" and isinstance(value, str):
        return letters(value)
    if word == "properties" and isinstance(value, Mapping):
        return sum(_bytes(name) + BESIDE for name in value)
    return 0


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _blamed(schema: Schema) -> str:
    """The keyword that says most of it."""
    most: dict[str, int] = {}

    def look(value: object) -> None:
        if isinstance(value, Mapping):
            for word in ("const", "enum", "pattern", "properties"):
                most[word] = max(most.get(word, 0), _own(value, word))
        for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
            look(inner)

    look(schema)
    return max(most, key=lambda word: most[word])
