"""The most tokens that a chat can be, for models whose tokens nobody counts before they are sent.

A token of byte-level BPE stands for at least one byte of the text, and so does one of SentencePiece, which writes what
it does not know byte by byte. Tokenizers bring text into one of Unicode's normal forms first, or leave it: the longest
of those counts. What a template puts around messages is the one thing that nobody can see: it is given room.
"""

import json
from collections.abc import Callable
from typing import Any, Literal
from unicodedata import normalize

from aidx.errors import InputError

OF_A_MESSAGE = 32  # tokens around one; the templates that are known put 57 characters there at most, with marks in them
OF_THE_TEMPLATE = 512  # of its own words: a date, a system text where none is given, a preamble
BESIDE = ("tools", "response_format", "functions")  # fields that a template may show
FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")

Count = Callable[[str], int]


def longest(text: str) -> int:
    """Bytes of *text* in whichever form it is longest."""
    if text.isascii():
        return len(text)
    forms = (text, *[normalize(form, text) for form in FORMS])
    return max(len(form.encode("utf-8", "surrogatepass")) for form in forms)


def at_most(body: bytes, count: Count = longest) -> int:
    """Tokens that the prompt in *body*, a chat, never exceeds; *count* says the same of a text by itself.

    Raises ``InputError`` for a body that is no chat.
    """
    found = json.loads(body)
    try:
        messages = [_parts(message) for message in found["messages"]]
    except (KeyError, TypeError, AttributeError):
        raise InputError("the request has no text", code="invalid_request") from None
    beside = [_written(found[name]) for name in BESIDE if found.get(name)]
    texts = [text for parts in (*messages, beside) for text in parts]
    return sum(map(count, texts)) + OF_A_MESSAGE * (len(messages) + 1) + OF_THE_TEMPLATE


def spared(count: int) -> int:
    """What a service's own *count* stands for where it calls that an estimate, which may be a little low."""
    return count + count // 32 + 16


def _parts(message: dict[str, Any]) -> list[str]:
    """Whatever of *message* a template may show."""
    return [value if isinstance(value, str) else _written(value) for value in message.values() if value]


def _written(value: Any) -> str:  # noqa: ANN401 - JSON
    """*value* as the most lavish template writes it."""
    plain, escaped = (json.dumps(value, indent=4, ensure_ascii=ascii_only) for ascii_only in (False, True))
    return max(plain, escaped, key=longest)
