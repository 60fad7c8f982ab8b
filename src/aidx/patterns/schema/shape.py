"""The shape that an answer must have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON Schema under a *name*; *grammar* is the same in the words that an engine is given.

    *strict*: a keyword that an engine cannot enforce is an error, not a matter for a check afterwards. *weakened*
    are the keywords of *schema* that *grammar* leaves out.
    """

    name: str
    schema: Mapping[str, Any]
    grammar: Mapping[str, Any]
    strict: bool = False
    weakened: tuple[str, ...] = ()


def choice(name: str, options: tuple[str, ...]) -> Shape:
    """One of *options*, as a JSON string: a verdict of a token or two."""
    schema = {"type": "string", "enum": list(options)}
    return Shape(name, schema, schema, strict=True)
