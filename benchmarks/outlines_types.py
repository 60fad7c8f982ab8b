"""Types of Outlines' own package as schemas of ours, answered by the small model and held against Outlines' own words.

    uv run --with outlines python benchmarks/outlines_types.py

Each type is taken or refused with a line; what is taken is asked of aidx-tiny, which knows nothing of it, through the
Python API. A value is WRONG where the regular expression that Outlines makes of the term does not match it.
"""

import json
import re
from dataclasses import dataclass

from outlines import types
from outlines.types.dsl import String, Term, to_regex
from pydantic import BaseModel

from aidx.errors import AidxError, InputError
from aidx.patterns.schema.types import schema_of
from aidx.wiring.answering import ask

TOKENS = 96


class Rows(BaseModel):
    """A model that Outlines takes as well."""

    name: str
    count: int


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: float


def terms() -> dict[str, Term]:
    """Every term that ``outlines.types`` has ready, and one of each kind that can be made."""
    ready = {name: term for name, term in vars(types).items() if isinstance(term, Term)}
    return {
        **ready,
        "JsonSchema of a model": types.JsonSchema(Rows),
        "JsonSchema of a dataclass": types.JsonSchema(Point),
        "JsonSchema of a dict": types.JsonSchema({"type": "array", "items": {"type": "boolean"}, "maxItems": 3}),
        "Choice": types.Choice(["red", "green"]),
        "String": String("as it is (1.5)"),
        "Sequence": types.integer + " apples",
        "Alternatives": types.either("yes", types.digit),
        "Optional": types.optional(types.integer),
        "KleeneStar": types.zero_or_more(types.digit),
        "KleenePlus": types.one_or_more(types.digit),
        "QuantifyExact": types.exactly(3, "ab"),
        "QuantifyMinimum": types.at_least(2, types.digit),
        "QuantifyMaximum": types.at_most(2, types.digit),
        "QuantifyBetween": types.between(1, 3, types.digit),
        "CFG": types.CFG('start: "a"'),
    }


def right(term: Term, value: object) -> bool:
    """Whether *value* is one of *term*, by Outlines' own expression."""
    if isinstance(term, types.JsonSchema | types.Choice):
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return isinstance(term, types.JsonSchema) or re.fullmatch(to_regex(term), text) is not None
    return re.fullmatch(to_regex(term), value) is not None


def main() -> None:
    """Print what becomes of each."""
    counts = dict.fromkeys(("right", "WRONG", "cut", "refused"), 0)
    for name, term in terms().items():
        try:
            schema_of(term)
            found = ask("Say something.", schema=term, max_tokens=TOKENS, temperature=1.0)
        except InputError as error:
            became, told = "refused", str(error)
        except AidxError as error:
            became, told = "cut", str(error)
        else:
            became, told = ("right" if right(term, found.value) else "WRONG"), repr(found.value)
        counts[became] += 1
        print(f"{name:28}{became:9}{told[:90]}", flush=True)
    print(", ".join(f"{count} {became}" for became, count in counts.items()))


if __name__ == "__main__":
    main()
