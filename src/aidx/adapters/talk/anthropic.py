"""Between OpenAI's chat completions and Anthropic's messages, both ways; values in, values out.

As Anthropic's API reference has the messages, their streaming and the reasons to stop (version 2023-06-01, read
2026-11). What has no counterpart there is refused by name: nothing is left out in silence.
"""

import json
from typing import Any

from aidx.adapters.talk.completion import Chunks, called, usage, whole
from aidx.adapters.talk.events import Event
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError, InputError

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
SAME = ("max_tokens", "temperature", "top_p", "top_k", "stream")
MEANINGLESS = {"presence_penalty": 0, "frequency_penalty": 0, "min_p": 0, "repeat_penalty": 1, "ignore_eos": False}
KNOWN = frozenset((*SAME, "model", "messages", "stop", "tools", "tool_choice", "parallel_tool_calls", "stream_options"))
BUSY = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def request(asked: dict[str, Any], model: str) -> dict[str, Any]:
    """The messages request that a chat completion request becomes; ``InputError`` names what has no counterpart."""
    form = _format(asked.get("response_format"))
    for name, value in asked.items():
        if name == "response_format" and form:
            continue
        if name not in KNOWN and value is not None and value != MEANINGLESS.get(name, ()) and value is not False:
            raise InputError(
                f"{name} has no counterpart in Anthropic's interface", hint="Leave it out.", code="field_not_taken"
            )
    system, messages = _messages(asked.get("messages"))
    made: dict[str, Any] = {"model": model, "messages": messages}
    made |= {name: asked[name] for name in SAME if asked.get(name) is not None}
    if system:
        made["system"] = system
    if form:
        made["output_config"] = {"format": form}
    if stop := asked.get("stop"):
        made["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := asked.get("tools"):
        made["tools"] = [_tool(tool["function"]) for tool in tools]
        choice: dict[str, Any] = {"type": "any" if asked.get("tool_choice") == "required" else "auto"}
        if asked.get("parallel_tool_calls") is False:
            choice["disable_parallel_tool_use"] = True
        made["tool_choice"] = choice
    return made


def _format(wanted: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """What holds an answer to a schema there; ``None`` where none is wanted."""
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "schema": wanted["json_schema"]["schema"]}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    made = {"name": function["name"], "input_schema": function.get("parameters") or NO_PARAMETERS}
    return made | {name: function[name] for name in ("description", "strict") if function.get(name) is not None}


def _messages(given: Any) -> tuple[str, list[dict[str, Any]]]:  # noqa: ANN401 - JSON
    """The system text, and the turns; what one side says in a row is one turn."""
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise InputError("messages are a list of objects", code="invalid_request")
    system = "\n\n".join(message["content"] for message in given if message.get("role") == "system")
    turns: list[dict[str, Any]] = []
    for message in given:
        role, content = _turn(message)
        if not role:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = [*_blocks(turns[-1]["content"]), *_blocks(content)]
        else:
            turns.append({"role": role, "content": content})
    return system, turns


def _turn(message: dict[str, Any]) -> tuple[str, Any]:
    role, text = message.get("role"), message.get("content") or ""
    if role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id") or "", "content": text}
        return "user", [result]
    if role == "assistant" and message.get("tool_calls"):
        return "assistant", [*_blocks(text), *(_use(call) for call in message["tool_calls"])]
    return ("" if role == "system" else str(role)), text


def _use(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InputError(f"the arguments of a call of {function['name']} are no JSON object", code="invalid_request")
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}


def _blocks(content: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def answer(found: dict[str, Any], created: int) -> bytes:
    """The chat completion that a whole message becomes; ``EngineError`` for anything else."""
    try:
        blocks = found["content"] or ()  # Ollama says null where it says nothing
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        thoughts = "".join(block.get("thinking", "") for block in blocks if block["type"] == "thinking")
        calls = [
            called(block["id"], block["name"], json.dumps(block["input"]))
            for block in blocks
            if block["type"] == "tool_use"
        ]
        message: dict[str, Any] = {"content": text or (None if calls else "")}
        if calls:
            message["tool_calls"] = calls
        if thoughts:
            message["reasoning_content"] = thoughts
        used = usage(_prompt(found["usage"]), int(found["usage"]["output_tokens"]))
        return whole(
            message,
            _finish(found["stop_reason"]),
            used,
            ident=str(found.get("id", "")),
            model=str(found.get("model", "")),
            created=created,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EngineError("the answer is not a message as Anthropic has them", code="engine_failed") from None


def _finish(reason: Any) -> str:  # noqa: ANN401 - JSON
    return FINISH.get(str(reason), str(reason))


def _prompt(used: dict[str, Any]) -> int:
    """Tokens of the prompt: those that came from a cache, or went into one, are counted apart there."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(int(used.get(name) or 0) for name in names)


class Stream:
    """Turns the events of a message into chunks of a chat completion; *account*: the last one says the usage."""

    def __init__(self, *, account: bool, created: int) -> None:
        self.complete = False
        self._account = account
        self._created = created
        self._chunks = Chunks(ident="", model="", created=created)
        self._tools: dict[int, int] = {}
        self._said: dict[int, bool] = {}
        self._prompt = self._output = 0
        self._finish = "stop"

    def feed(self, event: Event) -> bytes:
        """What *event* becomes; raises ``EngineError`` for one that says that the service failed."""
        try:
            found = json.loads(event.data)
            kind = found["type"]
            if kind == "error":
                raise _failed(found["error"])
            made = getattr(self, f"_{kind}", None)
            return b"" if made is None else made(found)  # kinds that are not known are to be passed over
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise EngineError("the stream is not one of Anthropic's", code="engine_failed") from None

    def _message_start(self, found: dict[str, Any]) -> bytes:
        message = found["message"]
        self._chunks = Chunks(ident=str(message["id"]), model=str(message["model"]), created=self._created)
        self._prompt = _prompt(message["usage"])
        return self._chunks.delta(role="assistant", content="")

    def _content_block_start(self, found: dict[str, Any]) -> bytes:
        block = found["content_block"]
        if block["type"] != "tool_use":
            return self._chunks.delta(content=block["text"]) if block.get("text") else b""
        index = self._tools[found["index"]] = len(self._tools)
        return self._chunks.delta(tool_calls=[called(block["id"], block["name"], "", index)])

    def _content_block_delta(self, found: dict[str, Any]) -> bytes:
        delta = found["delta"]
        if delta["type"] == "text_delta":
            return self._chunks.delta(content=delta["text"])
        if delta["type"] == "thinking_delta":
            return self._chunks.delta(reasoning_content=delta["thinking"])
        if delta["type"] == "input_json_delta":
            piece = {"index": self._tools[found["index"]], "function": {"arguments": delta["partial_json"]}}
            self._said[found["index"]] = True
            return self._chunks.delta(tool_calls=[piece])
        return b""

    def _content_block_stop(self, found: dict[str, Any]) -> bytes:
        number = found["index"]
        if number not in self._tools or self._said.get(number):
            return b""
        nothing = {"index": self._tools[number], "function": {"arguments": "{}"}}  # a tool without arguments
        return self._chunks.delta(tool_calls=[nothing])

    def _message_delta(self, found: dict[str, Any]) -> bytes:
        self._finish = _finish(found["delta"]["stop_reason"])
        used = found.get("usage") or {}
        self._output = int(used.get("output_tokens") or self._output)
        self._prompt = _prompt(used) or self._prompt
        return b""

    def _message_stop(self, _: dict[str, Any]) -> bytes:
        self.complete = True
        return self._chunks.end(self._finish, usage(self._prompt, self._output) if self._account else None)


def _failed(error: dict[str, Any]) -> EngineError:
    message = " ".join(str(error["message"]).split())
    if error["type"] in BUSY:
        return BusyError(f"the service is busy: {message}")
    return EngineError(f"the service failed: {message}", code="engine_failed")
