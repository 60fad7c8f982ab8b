"""The fields of OpenAI's requests that are known here; what is not among them is never sent on."""

from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=False):
    """A part of a message; others (images, audio) no model here takes, and nothing is ever fetched."""

    text: str


class Called(msgspec.Struct):
    """What a model called."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A call in an earlier answer."""

    id: str
    function: Called
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

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    """A tool; functions are the only kind."""

    function: Signature
    type: Literal["function"] = "function"


class Named(msgspec.Struct):
    """The name of a function."""

    name: Name


class Choice(msgspec.Struct):
    """The one tool that must be called."""

    function: Named
    type: Literal["function"] = "function"


class StreamOptions(msgspec.Struct, omit_defaults=True):
    """How a stream ends."""

    include_usage: bool = False


class Schema(msgspec.Struct):
    """What an answer is held to; *strict* wants all of it enforced while the answer is written."""

    schema: Any
    name: Name = "answer"
    strict: bool | None = None
    description: str | None = None


class Format(msgspec.Struct):
    """How the answer is to look; ``schema`` beside ``json_object`` is how llama.cpp's clients say it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None
    schema: Any = None


class Sampling(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a request says of how its answer is made and sent, whatever it asks."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: int | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=1 << 30)] | None = None
    min_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_penalty: Number | None = None
    logit_bias: Annotated[dict[str, Number], msgspec.Meta(max_length=1024)] | None = None
    ignore_eos: bool | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=16)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None


class ChatRequest(Sampling, omit_defaults=True, kw_only=True):
    """``/v1/chat/completions``."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


class TextRequest(Sampling, omit_defaults=True, kw_only=True):
    """``/v1/completions``."""

    prompt: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


class EmbeddingRequest(msgspec.Struct):
    """``/v1/embeddings``."""

    model: str
    input: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=256)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
