"""A chat completion request, from the user's bytes to bytes that are safe to hand to an engine.

Nothing of the user's JSON reaches the engine unparsed: it is decoded, bounded, checked, and written anew
from the fields that are known here. An engine that was sent 200 KB of nested tools took 6.4 GiB.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal

import msgspec

from aidx.errors import InputError
from aidx.gate.drive import Prompt

MAX_BODY = 8 << 20
MAX_DEPTH = 64
MAX_OBJECTS = 20_000
MAX_SCHEMA = 64 << 10  # bytes of tools, and of any schema in them
MAX_SCHEMA_DEPTH = 16
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
BRACKETS = dict.fromkeys(range(128)) | str.maketrans("[]{}", "[][]")  # one kind; all else outside strings goes
FIELD_NAME = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)

Count = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=False):
    """A part of a message; others (images, audio) no model here takes."""

    text: str


class Function(msgspec.Struct):
    """What a model called."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A call in an earlier answer."""

    id: str
    function: Function
    type: Literal["function"] = "function"


class Message(msgspec.Struct, omit_defaults=True):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Text] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: str | None = None


class Signature(msgspec.Struct, omit_defaults=True):
    """What a model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    """A tool; functions are the only kind."""

    function: Signature
    type: Literal["function"] = "function"


class StreamOptions(msgspec.Struct, omit_defaults=True):
    """How a stream ends."""

    include_usage: bool = False


class Format(msgspec.Struct):
    """How the answer is to look; anything but text needs a grammar, which is not enforced here."""

    type: Literal["text", "json_object", "json_schema"]


class Request(msgspec.Struct, omit_defaults=True):
    """The fields that are known; those that only bound or address the request are not sent on."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    model: str
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: int | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=1 << 30)] | None = None
    min_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_penalty: Number | None = None
    logit_bias: dict[str, Number] | None = None
    ignore_eos: bool | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=16)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


KNOWN = frozenset(Request.__struct_fields__)
KNOWN_OF_MESSAGE = frozenset(Message.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request that may be admitted: for which model, streamed or not, and what was left out of it."""

    model: str
    stream: bool
    prompt: Prompt
    ignored: tuple[str, ...]


def parse(body: bytes) -> Parsed:
    """Read the request in *body*; raises ``InputError`` naming the field that is wrong."""
    raw = decode(body)
    if not isinstance(raw, dict):
        raise InputError("the body is not a JSON object")
    try:
        request = msgspec.convert(raw, Request)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None
    _check(request)
    return Parsed(
        model=request.model,
        stream=bool(request.stream),
        prompt=Prompt(_sent(request), _texts(request), request.max_completion_tokens or request.max_tokens),
        ignored=_ignored(raw),
    )


def decode(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Decode JSON strictly: no NaN or infinity, no key twice, no surrogates alone, at most 64 deep."""
    try:
        text = body.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_Once(), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise InputError(f"the JSON is nested more than {MAX_DEPTH} deep") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error.msg} (character {error.pos})") from None
    except ValueError:  # a whole number of more digits than Python reads
        raise InputError("the body is not JSON: a number is too long") from None
    if _deeper(text, MAX_DEPTH):
        raise InputError(f"the JSON is nested more than {MAX_DEPTH} deep")
    return found


class _Once:
    """Builds objects; refuses a key that comes twice, and too many objects."""

    def __init__(self) -> None:
        self._objects = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._objects += 1
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise InputError(f"the key {_shown(twice)} comes twice in one object")
        if not all(name.isascii() or _is_text(name) for name in found):
            raise InputError("a key has half of a surrogate pair")
        if self._objects > MAX_OBJECTS:
            raise InputError(f"the body has more than {MAX_OBJECTS} JSON objects")
        return found


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> float:
    raise InputError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise InputError(f"the number {_shown(text)} is too large")
    return number


def _deeper(text: str, depth: int) -> bool:
    """Whether valid JSON is nested more than *depth* deep: strip strings, then pairs, level by level."""
    if text.count("[") + text.count("{") <= depth:
        return False
    rest = STRING.sub("", text).translate(BRACKETS)
    if len(rest) > 4 * MAX_OBJECTS:
        raise InputError("the body has too many JSON arrays and objects")
    for _ in range(depth):
        rest = rest.replace("[]", "")
    return bool(rest)


def _check(request: Request) -> None:
    """What the types do not say."""
    if request.n not in {None, 1}:
        raise InputError(f"n is {request.n}: one answer a request is what there is", hint="Leave n out, or send 1.")
    if request.response_format is not None and request.response_format.type != "text":
        raise InputError(
            f"response_format {request.response_format.type} is not enforced by this endpoint",
            hint="Leave it out, and check the answer.",
            code="schema_not_enforceable",
        )
    for number, message in enumerate(request.messages):
        if message.content in (None, []) and not (message.role == "assistant" and message.tool_calls):
            raise InputError(f"messages[{number}] has no content")
    _check_tools(request.tools or [])


def _check_tools(tools: list[Tool]) -> None:
    schemas = msgspec.json.encode([tool.function.parameters for tool in tools]).decode()
    if len(schemas) > MAX_SCHEMA:
        raise InputError(f"the schemas of the tools have {len(schemas)} bytes (most: {MAX_SCHEMA})")
    if _deeper(schemas, MAX_SCHEMA_DEPTH + 1):
        raise InputError(f"a schema of a tool is nested more than {MAX_SCHEMA_DEPTH} deep")


def _sent(request: Request) -> bytes:
    """The request as the engine gets it, without model and bounds; messages come first."""
    fields = {
        name: value
        for name in Request.__struct_fields__
        if name not in {"model", "n", "max_tokens", "max_completion_tokens", "response_format", "seed"}
        and (value := getattr(request, name)) is not None
    }
    if request.seed is not None:
        fields["seed"] = request.seed % 0xFFFFFFFF  # the engine's are of 32 bits, and the last one means random
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError:
        raise InputError("a string has half of a surrogate pair") from None


def _texts(request: Request) -> tuple[str, ...]:
    """What users and systems say; of the others a template may leave something out."""
    found: list[str] = []
    for message in request.messages:
        if message.role not in {"system", "user"} or message.content is None:
            continue
        parts = [message.content] if isinstance(message.content, str) else [part.text for part in message.content]
        found.extend(parts)
    return tuple(found)


def _ignored(raw: Mapping[str, Any]) -> tuple[str, ...]:
    names = [name for name in raw if name not in KNOWN]
    for message in raw["messages"]:
        names += [f"messages.{name}" for name, value in message.items() if name not in KNOWN_OF_MESSAGE and value]
    return tuple(dict.fromkeys(_shown(name) for name in names))


def _shown(name: str) -> str:
    """A name of the user's that may stand in a header or a message."""
    return name if FIELD_NAME.fullmatch(name) else "(unprintable)"
