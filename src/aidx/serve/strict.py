"""JSON from strangers: decoded strictly, bounded before anything is built from it."""

import json
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

from aidx.errors import InputError

MAX_BODY = 8 << 20
MAX_DEPTH = 64
MAX_OBJECTS = 10_000  # objects and arrays
MAX_VALUES = 40_000
MAX_QUOTES = 1 << 18
SMALL = 1 << 16  # bytes that can do no harm, whatever they are
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
STRINGS = re.compile(r'[^"]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"]*){1,1000}', re.DOTALL)
BRACKETS = dict.fromkeys(range(128)) | str.maketrans("[]{}", "[][]")  # one kind; all else outside strings goes
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
NAME = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)


class FieldError(InputError):
    """A field of a request is wrong; *param* is its path."""

    def __init__(self, message: str, *, param: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.param = param


def decode(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Decode JSON strictly: no NaN or infinity, no key twice, no surrogates alone, at most 64 deep."""
    try:
        text = body.decode("utf-8")
        if len(text) > SMALL:
            _check_shape(text)
        found = DECODER.decode(text)
    except RecursionError:
        raise InputError(f"the JSON is nested more than {MAX_DEPTH} deep") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error.msg} (character {error.pos})") from None
    except ValueError:  # a whole number of more digits than Python reads
        raise InputError("the body is not JSON: a number is too long") from None
    if deeper(text, MAX_DEPTH):
        raise InputError(f"the JSON is nested more than {MAX_DEPTH} deep")
    if SURROGATE.search(text):
        _check_texts(found)
    return found


def _check_texts(found: object) -> None:
    """Raise ``InputError`` where a key or a text is none that can be written."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InputError("a string has half of a surrogate pair") from None


def _check_shape(text: str) -> None:
    """Refuse what would become millions of values; looking costs a tenth of making them."""
    if text.count('"') > MAX_QUOTES:
        raise InputError(f"the body has more than {MAX_QUOTES} quotation marks")
    if text.count("[") + text.count("{") + text.count(",") <= MAX_OBJECTS:
        return
    opened = values = 0
    for rest in _outside(text):
        opened += rest.count("[") + rest.count("{")
        values += rest.count(",")
        if opened > MAX_OBJECTS or values > MAX_VALUES:
            raise InputError(f"the body has more than {MAX_OBJECTS} JSON arrays and objects, or {MAX_VALUES} values")


def _outside(text: str) -> Iterator[str]:
    """What stands outside strings, a thousand of them at a time: in between other threads can go on."""
    at = 0
    while found := STRINGS.match(text, at):
        yield STRING.sub("", found[0])
        at = found.end()
    yield text[at:]


def deeper(text: str, depth: int) -> bool:
    """Whether valid JSON is nested more than *depth* deep: strip strings, then pairs, level by level."""
    if text.count("[") + text.count("{") <= depth:
        return False
    rest = "".join([rest.translate(BRACKETS) for rest in _outside(text)])
    for _ in range(depth):
        rest = rest.replace("[]", "")
    return bool(rest)


def shown(name: str) -> str:
    """A name of the user's that may stand in a header or a message."""
    return name if NAME.fullmatch(name) else "(unprintable)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = _twice(name for name, _ in pairs)
        raise InputError(f"the key {shown(twice)} comes twice in one object")
    return found


def _twice(names: Iterable[str]) -> str:
    """The first of *names* that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _no_constant(name: str) -> float:
    raise InputError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise InputError(f"the number {shown(text)} is too large")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
