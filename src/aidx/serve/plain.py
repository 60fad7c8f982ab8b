"""Chat requests as most are: texts of three roles and a few plain fields, read in one go.

Whatever is the least bit different is left to ``wire``, which says what is wrong or what it leaves out. What is read
here is read there just the same; this takes a fifth of the time.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from aidx.gate.prompt import Prompt, Turn
from aidx.serve.fields import ChatRequest, StreamOptions
from aidx.serve.parsed import NOT_SENT, Parsed, encoded, sent
from aidx.serve.strict import SMALL

ESCAPE = b"\\u"  # half of a surrogate pair is written with one, and a name may be
KEY = re.compile(rb'"([a-z_]++)"[ \t\r\n]*+:')
Some = Annotated[str, msgspec.Meta(min_length=1)]


class _Message(Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class _StreamOptions(StreamOptions, forbid_unknown_fields=True, omit_defaults=True):
    pass


class _Plain(ChatRequest, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is not plain here is ``None``, or the request is not read."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]  # type: ignore[assignment]  # fewer than there
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None
    stop: Some | Annotated[list[Some], msgspec.Meta(max_length=16)] | None = None
    logit_bias: None = None
    tools: None = None
    tool_choice: None = None
    response_format: None = None


SENT = {name.encode(): name for name in _Plain.__struct_fields__ if name not in NOT_SENT}

_DECODE: Callable[[bytes], _Plain] = msgspec.json.Decoder(_Plain).decode


def read(body: bytes) -> Parsed | None:
    """The request, or ``None``: ask ``wire``.

    All its keys are known ones, none with an escape, and so each is seen in the body as it is: there is one for every
    name, and two in every message, unless one comes twice. In a string no quotation mark stands before a colon
    without a backslash before it.
    """
    if len(body) > SMALL or ESCAPE in body:
        return None
    try:
        asked = _DECODE(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    messages = asked.messages
    keys = KEY.findall(body)
    names = tuple(dict.fromkeys(keys))
    if len(keys) != len(names) + 2 * len(messages) - 2:
        return None
    prompt = Prompt(
        tuple([Turn(one.role, one.content, encoded(one)) for one in messages]),
        fields=encoded(_fields(asked, _sent(names)))[1:-1],
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        stream=bool(asked.stream),
    )
    options = asked.stream_options
    return Parsed(asked.model, prompt, (), options is not None and options.include_usage)


@lru_cache(maxsize=64)
def _sent(names: tuple[bytes, ...]) -> tuple[str, ...]:
    """Those of *names* that are sent on beside the messages."""
    return tuple(SENT[name] for name in names if name in SENT)


def _fields(asked: _Plain, names: tuple[str, ...]) -> dict[str, object]:
    found = {name: value for name in names if (value := getattr(asked, name)) is not None}
    return sent(found, seed=asked.seed, stream=asked.stream) if found else found
