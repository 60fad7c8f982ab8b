"""Types as schemas: Pydantic's, dataclasses and msgspec's, those of Outlines, and schemas themselves.

Nothing of theirs is imported: whoever hands over a type has its library.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aidx.errors import InputError


def schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any type
    """The JSON Schema of *kind*; ``InputError`` where it has none."""
    if isinstance(kind, Mapping):
        return dict(kind)
    for method in ("model_json_schema", "json_schema"):  # a Pydantic model, a TypeAdapter
        if callable(made := getattr(kind, method, None)):
            found: dict[str, Any] = made()
            return found
    if type(kind).__module__.startswith("outlines"):
        return _of_outlines(kind)
    try:
        return msgspec.json.schema(kind)
    except (TypeError, RuntimeError):
        raise InputError(f"{_name(kind)} is no type with a schema", hint=TAKEN) from None


def value_of(kind: Any, text: str) -> Any:  # noqa: ANN401 - any type
    """*text*, which satisfies the schema of *kind*, as a value of that type; a schema's is plain JSON.

    Raises ``InputError`` where the type wants more than its schema says.
    """
    parse = getattr(kind, "model_validate_json", None) or getattr(kind, "validate_json", None)
    try:
        if callable(parse):
            return parse(text)
        if isinstance(kind, Mapping) or type(kind).__module__.startswith("outlines"):
            return json.loads(text)
        return msgspec.json.decode(text, type=kind)
    except ValueError as error:  # of Pydantic and msgspec both
        line = " ".join(str(error).split())
        raise InputError(f"{_name(kind)} wants more than its schema says: {line}") from None


def _of_outlines(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a term of Outlines'
    if isinstance(schema := getattr(kind, "schema", None), str):  # JsonSchema
        return dict(json.loads(schema))
    if (items := getattr(kind, "items", None)) is not None and not callable(items):  # Choice
        return {"enum": list(items)}
    return {"type": "string", "pattern": f"^{_expression(kind)}$"}


def _expression(kind: Any) -> str:  # noqa: ANN401
    """A term of Outlines' that describes text, as a regular expression in brackets."""
    if isinstance(kind, str):
        return f"(?:{re.escape(kind)})"
    if isinstance(pattern := getattr(kind, "pattern", None), str):  # Regex
        return f"(?:{pattern})"
    if isinstance(value := getattr(kind, "value", None), str):  # String
        return f"(?:{re.escape(value)})"
    if isinstance(terms := getattr(kind, "terms", None), list):  # Sequence, Alternatives
        between = "|" if type(kind).__name__ == "Alternatives" else ""
        return f"(?:{between.join(map(_expression, terms))})"
    if isinstance(items := getattr(kind, "items", None), list):  # Choice
        return f"(?:{'|'.join(re.escape(str(item)) for item in items)})"
    times = _TIMES.get(type(kind).__name__)
    if times is None:
        raise InputError(f"a {type(kind).__name__} of Outlines' is no schema", hint=TAKEN)
    return f"(?:{_expression(kind.term)}{times.format(kind)})"


def _name(kind: Any) -> str:  # noqa: ANN401 - any type
    return str(getattr(kind, "__name__", None) or type(kind).__name__)


_TIMES = {  # how often a term stands there, by its name
    "Optional": "?",
    "KleeneStar": "*",
    "KleenePlus": "+",
    "QuantifyExact": "{{{0.count}}}",
    "QuantifyMinimum": "{{{0.min_count},}}",
    "QuantifyMaximum": "{{0,{0.max_count}}}",
    "QuantifyBetween": "{{{0.min_count},{0.max_count}}}",
}
TAKEN = "Give a Pydantic model, a dataclass, a msgspec type, a term of Outlines' other than a grammar, or a schema."
