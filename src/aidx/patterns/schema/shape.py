"""The shape that an answer must have."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aidx.errors import CheckError, InputError

MAX_BYTES = 64 << 10
MAX_DEPTH = 16


class UnenforceableError(InputError):
    """A schema that no engine is held to, because of *keyword*."""

    code = "schema_not_enforceable"

    def __init__(self, message: str, *, keyword: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.keyword = keyword


class NotSatisfiedError(CheckError):
    """A model whose answers do not have the shape, after all repairs; *reasons* are the validator's."""

    code = "schema_not_satisfied"

    def __init__(self, message: str, reasons: tuple[str, ...]) -> None:
        super().__init__(message, hint="Ask for more max_tokens or a simpler schema, or ask a larger model.")
        self.reasons = reasons


class Shape(Struct, frozen=True):
    """A JSON Schema under a *name*; *grammar* is the same in the words that an engine is given.

    *weakened* are the keywords of *schema* that *grammar* leaves out: an answer is held against them afterwards.
    """

    name: str
    schema: Mapping[str, Any] | bool
    grammar: Mapping[str, Any]
    weakened: tuple[str, ...] = ()


def choice(name: str, options: tuple[str, ...]) -> Shape:
    """One of *options*, as a JSON string: a verdict of a token or two."""
    schema = {"type": "string", "enum": list(options)}
    return Shape(name, schema, schema)
