"""What is wrong with an answer, in words that a model can act on."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from aidx.patterns.schema.keywords import Schema
from aidx.patterns.schema.prepare import Bounds
from aidx.patterns.schema.shape import UnenforceableError

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MOST = 3  # reasons at a time: more of them are read by nobody
LONGEST = 240  # characters of a reason
REGEX_BYTES = 1 << 20  # that a compiled expression may take
DRAFTS = tuple(
    f"{scheme}://json-schema.org/{draft}/schema{end}"
    for scheme in ("http", "https")
    for draft in ("draft-06", "draft-07", "draft/2019-09", "draft/2020-12")
    for end in ("", "#")
)


def objections(schema: Schema, text: str) -> tuple[str, ...]:
    """Why *text* is no JSON value that satisfies *schema*; nothing where it is one."""
    try:
        value = decode(text)
    except ValueError as error:
        return (f"the answer is no JSON: {error}",)
    found = []
    for wrong in validator(json.dumps(schema)).iter_errors(value):
        at = "/".join(str(part) for part in wrong.instance_path)
        found.append(_clipped(f"at /{at}: {wrong.message}" if at else wrong.message))
        if len(found) == MOST:
            break
    return tuple(found)


def decode(text: str) -> Any:  # noqa: ANN401 - JSON
    """The value of *text*; ``ValueError`` for anything that readers of JSON do not agree on."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None


@lru_cache(maxsize=64)
def validator(schema: str) -> "Validator":
    """What holds values against *schema*; ``UnenforceableError`` where *schema* is none. Fetches nothing.

    Regular expressions are Rust's, which take linear time and know no look-around.
    """
    import jsonschema_rs

    document = json.loads(schema)
    named = document.get("$schema") if isinstance(document, dict) else None
    if named is not None and named not in DRAFTS:
        raise UnenforceableError(
            f"$schema {str(named)[:80]!r} is not known",
            keyword="$schema",
            hint="Leave it out, or name a draft from 6 to 2020-12.",
        )
    regex = jsonschema_rs.RegexOptions(size_limit=REGEX_BYTES, dfa_size_limit=REGEX_BYTES)
    try:
        return jsonschema_rs.validator_for(document, validate_formats=True, pattern_options=regex, offline=True)
    except jsonschema_rs.ValidationError as wrong:
        raise _no_schema(wrong.message, [str(part) for part in wrong.instance_path]) from None
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise UnenforceableError(f"this is no JSON Schema: {_clipped(str(error))}", keyword="schema") from None


def _no_schema(message: str, path: list[str]) -> UnenforceableError:
    """What is wrong with a schema at *path*."""
    place = f" ({_clipped('#/' + '/'.join(path))})" if path else ""
    if not message.endswith(_NO_REGEX):
        word = path[-1] if path else "schema"
        return UnenforceableError(f"this is no JSON Schema: {_clipped(message)}{place}", keyword=word)
    word = "patternProperties" if "patternProperties" in path[-2:] else "pattern"
    pattern = message.removesuffix(_NO_REGEX)
    why = next(
        (why for mark, why in _UNKNOWN if mark.search(pattern)), "it is no regular expression, or too large a one"
    )
    return UnenforceableError(f"{word} {_clipped(pattern)}{place} cannot be enforced: {why}", keyword=word)


def expression(pattern: str) -> Callable[[str], bool]:
    """Whether the regular expression *pattern* is found in a text, in time linear in its length.

    Raises ``UnenforceableError`` for one that is none, or that has no such bound.
    """
    return validator(json.dumps({"type": "string", "pattern": pattern})).is_valid


def at_bounds(value: Any, bounds: Bounds, at: str = "") -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """Where *value* is as long as *bounds* let it be: there may have been more to say."""
    found = []
    if isinstance(value, str) and len(value) >= bounds.string:
        found.append(at or "/")
    elif isinstance(value, list):
        found += [at or "/"] if len(value) >= bounds.items else []
        for number, inner in enumerate(value):
            found += at_bounds(inner, bounds, f"{at}/{number}")
    elif isinstance(value, dict):
        for name, inner in value.items():
            found += at_bounds(inner, bounds, f"{at}/{name}")
    return tuple(found)


def _clipped(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


_NO_REGEX = ' is not a "regex"'
_UNKNOWN = (
    (re.compile(r"\(\?<?[=!]"), "look-around takes more than linear time"),
    (re.compile(r"\\[1-9]|\(\?P="), "references back take more than linear time"),
)
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
