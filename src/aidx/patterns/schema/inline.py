"""A schema without references: what they point to stands in their place.

Nothing is ever fetched. A schema that refers to itself has no end, and neither has an answer that follows it.
"""

import re
from collections.abc import Mapping
from typing import Any

from aidx.patterns.schema.keywords import CONSTRAINTS, Schema, each, nothing_but
from aidx.patterns.schema.shape import UnenforceableError
from aidx.patterns.schema.work import Work

# After inlining; a few nested references can stand for millions. What is all of several is what takes time: an
# intersection of expressions is a product of automata.
MOST = {"expressions": 64, "intersections": 12}
EXPRESSIONS = frozenset({"format", "pattern", "patternProperties"})


def inline(document: Schema) -> Schema:
    """*document* with every reference replaced, and without remarks.

    Raises ``UnenforceableError`` for references that leave the document, lead nowhere, or lead to themselves.
    """
    return _Inliner(document).schema(document, ())


class _Inliner:
    def __init__(self, document: Schema) -> None:
        self._document = document
        self._taken = dict.fromkeys(MOST, 0)
        self._work = Work()

    def schema(self, schema: Schema, active: tuple[str, ...]) -> Schema:
        self._work.take(schema)
        if not isinstance(schema, Mapping):
            return schema
        if "$id" in schema and schema is not self._document:
            raise UnenforceableError("a schema inside the schema has an $id of its own", keyword="$id")
        kept = {word: value for word, value in schema.items() if word in CONSTRAINTS}
        for word in EXPRESSIONS & kept.keys():
            self._take("expressions", len(kept[word]) if isinstance(kept[word], Mapping) else 1, word)
        if isinstance(parts := kept.get("allOf"), list):
            self._take("intersections", len(parts), "allOf")
        kept = each(kept, lambda inner: self.schema(inner, active))
        if "not" in kept and nothing_but(kept):
            return False
        if "$ref" not in schema:
            return kept
        found = self._referred(schema["$ref"], active)
        if not kept or found is False:
            return found
        return kept if found is True else {"allOf": [found, kept]}

    def _take(self, what: str, count: int, word: str) -> None:
        self._taken[what] += count
        if self._taken[what] > MOST[what]:
            raise UnenforceableError(
                f"the schema has more than {MOST[what]} {what} once its references are followed", keyword=word
            )

    def _referred(self, reference: object, active: tuple[str, ...]) -> Schema:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UnenforceableError(
                f"$ref {reference!r} leaves the schema; nothing is fetched",
                keyword="$ref",
                hint="Put what it refers to under $defs.",
            )
        if reference in active:
            raise UnenforceableError(
                f"$ref {reference!r} refers to itself: an answer that follows it has no end",
                keyword="$ref",
                hint="Write out as many levels as you need.",
            )
        return self.schema(self._find(reference), (*active, reference))

    def _find(self, reference: str) -> Schema:
        found: Any = self._document
        parts = reference[1:].split("/")
        if parts[0]:
            raise UnenforceableError(f"$ref {reference!r} is no JSON pointer into the schema", keyword="$ref")
        for part in parts[1:]:
            name = _unquoted(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, Mapping) and name in found:
                found = found[name]
            else:
                raise UnenforceableError(f"$ref {reference!r} leads nowhere", keyword="$ref")
        if not isinstance(found, Mapping | bool):
            raise UnenforceableError(f"$ref {reference!r} leads to no schema", keyword="$ref")
        return found


def _unquoted(part: str) -> str:
    """*part* of a fragment, in which bytes may stand as ``%2F``."""
    return _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), part.encode()).decode("utf-8", "replace")


_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
