"""A request, from the user's bytes to bytes that are safe to hand to an engine.

Nothing of the user's JSON reaches the engine unparsed: it is decoded, bounded, checked, and written anew
from the fields that are known here. An engine that was sent 200 KB of nested tools took 6.4 GiB.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from aidx.errors import InputError
from aidx.gate.prompt import Kind, Prompt, Turn
from aidx.gate.schema import shape as shape_of
from aidx.patterns.schema.prepare import MOST_ITEMS
from aidx.patterns.schema.shape import MAX_BYTES, Shape, UnenforceableError
from aidx.patterns.schema.shape import MAX_DEPTH as MAX_SCHEMA_DEPTH
from aidx.serve import plain
from aidx.serve.fields import (
    ChatRequest,
    Choice,
    EmbeddingRequest,
    Format,
    Message,
    Sampling,
    StreamOptions,
    Text,
    TextRequest,
    Tool,
)
from aidx.serve.parsed import NOT_SENT, Parsed, encoded, sent
from aidx.serve.strict import MAX_BODY, MAX_DEPTH, FieldError, decode, deeper, shown

__all__ = ["CHAT", "EMBEDDING", "MAX_BODY", "MAX_DEPTH", "TEXT", "Parsed", "Reader", "parse"]

KNOWN_OF_MESSAGE = frozenset(Message.__struct_fields__)
KNOWN_OF_PART = frozenset((*Text.__struct_fields__, "type"))
KNOWN: Mapping[type, frozenset[str]] = {
    kind: frozenset(kind.__struct_fields__) for kind in (ChatRequest, TextRequest, EmbeddingRequest)
}
INSIDE: Mapping[str, frozenset[str]] = {
    "stream_options": frozenset(StreamOptions.__struct_fields__),
    "response_format": frozenset(Format.__struct_fields__),
}
ITEMS = re.compile(r'"(?:min|max)Items":([\d.eE+]+)')  # of JSON as it is written here
FIELD = re.compile(
    r"(?:Object missing required field `(?P<missing>\w+)`|Invalid value '(?P<value>\w+)'|.*?)"
    r"(?: - at `\$\.?(?P<at>[\w.\[\]]+)`)?",
    re.ASCII | re.DOTALL,
)
MEDIA = {"image_url": "images", "input_image": "images", "input_audio": "recordings", "file": "files"}
MOST_LEFT_OUT = 256  # 0.2 s of the engine's CPU; 512 take 1 s, 1,000 4.7 s
SPOKEN = frozenset({"system", "user", "assistant"})
Asked = TypeVar("Asked")


def _chat(raw: Mapping[str, Any]) -> Parsed:
    request = _typed(raw, ChatRequest)
    _check(request)
    turns = tuple([_turn(message, number) for number, message in enumerate(request.messages)])
    tools, left_out = _tools(request)
    fields = _fields(raw, request)
    if tools is None:
        fields.pop("tools", None)
        fields.pop("tool_choice", None)
    else:
        fields["tools"] = tools
        if isinstance(request.tool_choice, Choice):
            fields["tool_choice"] = "required"  # of one tool, which is the same and understood by every engine
    prompt = Prompt(
        turns,
        fields=_inner(fields),
        max_tokens=request.max_completion_tokens or request.max_tokens,
        tools=bool(tools) or any(message.role == "tool" or message.tool_calls for message in request.messages),
        stream=bool(request.stream),
    )
    shape = _shape(request.response_format)
    if shape is not None and prompt.tools:
        raise UnenforceableError("an answer is held to a schema, or calls tools, not both", keyword="tools")
    ignored = _ignored(raw, ChatRequest) + left_out
    return Parsed(request.model, prompt, ignored, _wants_usage(request), shape)


def _shape(wanted: Format | None) -> Shape | None:
    """What an answer is held to; raises ``UnenforceableError`` where it cannot be."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_schema":
        if wanted.json_schema is None:
            raise InputError("response_format has no json_schema")
        told = wanted.json_schema
        return _shape_of(told.name, told.schema, strict=bool(told.strict))
    return _shape_of("answer", {"type": "object"} if wanted.schema is None else wanted.schema)


def _shape_of(name: str, schema: Any, *, strict: bool = False) -> Shape:  # noqa: ANN401 - JSON
    written = encoded(schema)
    if len(written) > MAX_BYTES:
        raise UnenforceableError(f"the schema has {len(written)} bytes (most: {MAX_BYTES})", keyword="schema")
    return _shaped(name, written, strict=strict)


@lru_cache(maxsize=64)
def _shaped(name: str, schema: bytes, *, strict: bool = False) -> Shape:
    return shape_of(name, json.loads(schema), strict=strict)


def _text(raw: Mapping[str, Any]) -> Parsed:
    request = _typed(raw, TextRequest)
    _check(request)
    text = request.prompt if isinstance(request.prompt, str) else request.prompt[0]
    if not text:
        raise FieldError("the prompt is empty", param="prompt")
    fields = _inner({"prompt": text} | _fields(raw, request))
    prompt = Prompt((), (text,), fields, request.max_tokens, "text", stream=bool(request.stream))
    return Parsed(request.model, prompt, _ignored(raw, TextRequest), _wants_usage(request))


def _embedding(raw: Mapping[str, Any]) -> Parsed:
    request = _typed(raw, EmbeddingRequest)
    texts = (request.input,) if isinstance(request.input, str) else tuple(request.input)
    if not all(texts):
        raise FieldError("a text of input is empty", param="input")
    fields = _inner({"input": list(texts), "encoding_format": request.encoding_format or "float"})
    prompt = Prompt((), texts, fields, kind="embedding")
    ignored = _ignored(raw, EmbeddingRequest)
    return Parsed(request.model, prompt, ignored, dimensions=request.dimensions)


def _typed(raw: Mapping[str, Any], kind: type[Asked]) -> Asked:
    try:
        return _CONVERT(raw, kind)
    except msgspec.ValidationError as error:
        raise _field(str(error)) from None


def _field(said: str) -> InputError:
    """What msgspec *said* is wrong with a request, and of which field."""
    found = FIELD.fullmatch(said)
    if found is None:
        return InputError(said)
    param = ".".join(part for part in (found["at"], found["missing"]) if part)
    if (media := MEDIA.get(found["value"] or "")) and param.endswith(".type"):
        said = f"{media} are not taken: the parts of a message are text, and this one is {found['value']}"
        return FieldError(said, param=param.removesuffix(".type"))
    return FieldError(said, param=param) if param else InputError(said)


def _check(request: Sampling) -> None:
    """What the types do not say."""
    if request.n not in {None, 1}:
        why = f"n is {request.n}: one answer a request is what there is"
        raise FieldError(why, param="n", hint="Leave n out, or send 1.")
    if not all([request.stop] if isinstance(request.stop, str) else request.stop or ()):
        raise FieldError("a text of stop is empty", param="stop", hint="Leave it out.")
    if not isinstance(request, ChatRequest):
        return
    if request.tools:
        _check_tools(request.tools)


def _check_tools(tools: list[Tool]) -> None:
    schemas = encoded([tool.function.parameters for tool in tools]).decode()
    if len(schemas) > MAX_BYTES:
        raise InputError(f"the schemas of the tools have {len(schemas)} bytes (most: {MAX_BYTES})")
    if deeper(schemas, MAX_SCHEMA_DEPTH + 1):
        raise InputError(f"a schema of a tool is nested more than {MAX_SCHEMA_DEPTH} deep")
    if any(float(most) > MOST_ITEMS for most in ITEMS.findall(schemas)):
        raise InputError(
            f"a schema of a tool has arrays of more than {MOST_ITEMS} items",
            hint="Leave minItems and maxItems out, or smaller: the engine writes out each item.",
        )
    if sum(map(_left_out, (tool.function.parameters for tool in tools))) > MOST_LEFT_OUT**2:
        raise FieldError(
            f"the tools have too many parameters that may be left out: at most {MOST_LEFT_OUT} in one object,"
            " fewer in each of several",
            param="tools",
            hint="Require them, or send fewer tools.",
        )


def _left_out(schema: object) -> int:
    """What the parameters that may be left out cost: the engine writes each beside all that follow it."""
    if isinstance(schema, list):
        return sum(map(_left_out, schema))
    if not isinstance(schema, dict):
        return 0
    named, required = schema.get("properties"), schema.get("required")
    free = len(named) - (len(required) if isinstance(required, list) else 0) if isinstance(named, dict) else 0
    return max(free, 0) ** 2 + sum(map(_left_out, schema.values()))


def _tools(request: ChatRequest) -> tuple[list[Tool] | None, tuple[str, ...]]:
    """The tools that the model may call, and what is left out where it may call none."""
    choice = request.tool_choice
    if choice == "none":
        return None, ("tools",) if request.tools else ()
    if not request.tools:
        if choice in {None, "auto"}:
            return None, ()
        raise InputError("tool_choice wants a tool to be called, and tools has none")
    if not isinstance(choice, Choice):
        return request.tools, ()
    chosen = [tool for tool in request.tools if tool.function.name == choice.function.name]
    if not chosen:
        raise InputError(f"tool_choice names {shown(choice.function.name)}, which is not among the tools")
    return chosen, ()


def _turn(message: Message, number: int) -> Turn:
    """A message as every engine takes it: parts joined as llama.cpp does, a developer's text is the system's."""
    if not message.content and message.content != "" and not (message.role == "assistant" and message.tool_calls):
        raise FieldError(f"messages[{number}] has no content", param=f"messages[{number}].content")
    if isinstance(message.content, list):
        message.content = "\n".join([part.text for part in message.content])
    if message.role == "developer":
        message.role = "system"
    extra = message.name or message.tool_calls or message.reasoning_content or message.tool_call_id
    plain = not extra and message.role in SPOKEN and message.content is not None
    return Turn(message.role, message.content or "", encoded(message), plain)


def _fields(raw: Mapping[str, Any], request: Sampling) -> dict[str, Any]:
    """What is sent on beside the prompt."""
    names = [name for name in raw if name in KNOWN[type(request)] and name not in NOT_SENT]
    fields = {name: value for name in names if (value := getattr(request, name)) is not None}
    return sent(fields, seed=request.seed, stream=request.stream)


def _wants_usage(request: Sampling) -> bool:
    return request.stream_options is not None and request.stream_options.include_usage


def _inner(fields: Mapping[str, Any]) -> bytes:
    """The members of *fields* as JSON, without braces."""
    return encoded(fields)[1:-1]


_CONVERT = msgspec.convert


def _ignored(raw: Mapping[str, Any], kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Names of what was sent and is not sent on."""
    names = [name for name in raw if name not in KNOWN[kind]]
    if kind is ChatRequest:
        for message in raw["messages"]:
            names += _unknown("messages", message, KNOWN_OF_MESSAGE)
            if isinstance(message.get("content"), list):
                for part in message["content"]:
                    names += _unknown("messages.content", part, KNOWN_OF_PART)
    for inside in filter(KNOWN[kind].__contains__, INSIDE):
        names += _unknown(inside, raw.get(inside), INSIDE[inside])
    return tuple(dict.fromkeys(map(shown, names))) if names else ()


def _unknown(inside: str, value: object, known: frozenset[str]) -> list[str]:
    """What stands in the object *inside* and is not *known*; nothing in nothing."""
    if not isinstance(value, dict) or known.issuperset(value):
        return []
    return [f"{inside}.{name}" for name, what in value.items() if name not in known and what]


class Reader(Struct, frozen=True):
    """Reads requests of one *kind*: *made* of a JSON object, or *at_once*, which is told the body and may pass."""

    kind: Kind
    made: Callable[[Mapping[str, Any]], Parsed]
    at_once: Callable[[bytes], Parsed | None] = lambda _: None

    def parse(self, body: bytes) -> Parsed:
        """Read any request, for up to 0.1 s; raises ``InputError`` naming the field that is wrong."""
        raw = decode(body)
        if not isinstance(raw, dict):
            raise InputError("the body is not a JSON object")
        return self.made(raw)


CHAT = Reader("chat", _chat, plain.read)
TEXT = Reader("text", _text)
EMBEDDING = Reader("embedding", _embedding)
parse = CHAT.parse
