"""Between OpenAI's requests and Ollama's, both ways; values in, values out.

As ``docs/api.md``, ``api/types.go`` and ``server/routes.go`` of ollama/ollama fb30760 (2026-08-21) have them. What has
no counterpart there is refused by name: nothing is left out in silence, and Ollama is never let to cut a prompt.
"""

import base64
import json
from array import array
from typing import Any

from aidx.adapters.talk.completion import Chunks, called, usage, whole
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError, InputError
from aidx.patterns.prompt import Kind

OPTIONS = {
    "max_tokens": "num_predict",
    **{name: name for name in ("temperature", "top_p", "top_k", "min_p", "seed")},
    **{name: name for name in ("presence_penalty", "frequency_penalty", "repeat_penalty")},
}
KNOWN = frozenset((*OPTIONS, "model", "messages", "prompt", "input", "stop", "tools", "stream", "stream_options"))
NEUTRAL = {"tool_choice": "auto", "parallel_tool_calls": True, "encoding_format": "float", "logit_bias": {}}
PATHS = {"chat": "/api/chat", "text": "/api/generate", "embedding": "/api/embed"}


def request(asked: dict[str, Any], kind: Kind, model: str, num_ctx: int) -> dict[str, Any]:
    """What is sent to ``PATHS[kind]``; ``InputError`` names what has no counterpart there.

    *num_ctx* is the same in every request: another one would load the model anew.
    """
    _check(asked)
    options = {theirs: asked[ours] for ours, theirs in OPTIONS.items() if asked.get(ours) is not None}
    options["num_ctx"] = num_ctx
    if stop := asked.get("stop"):
        options["stop"] = [stop] if isinstance(stop, str) else stop
    made: dict[str, Any] = {"model": model, "options": options, "truncate": False}
    if kind == "embedding":
        return made | {"input": asked["input"]}
    made |= {"shift": False, "stream": bool(asked.get("stream"))}
    if kind == "text":
        return made | {"prompt": asked["prompt"], "raw": True}
    if asked.get("tools"):
        made["tools"] = asked["tools"]
    if form := _format(asked.get("response_format")):
        made["format"] = form
    return made | {"messages": _messages(asked.get("messages"))}


def _check(asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        neutral = value is None or value is False or value == NEUTRAL.get(name, ())
        if name not in KNOWN and name not in {"response_format", "encoding_format"} and not neutral:
            raise InputError(
                f"{name} has no counterpart in Ollama's interface", hint="Leave it out.", code="field_not_taken"
            )


def _format(wanted: Any) -> Any:  # noqa: ANN401 - JSON
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_schema":
        return wanted["json_schema"]["schema"]
    return {"type": "object"} if kind == "json_object" else None  # "json" alone lets an answer be empty


def _messages(given: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise InputError("messages are a list of objects", code="invalid_request")
    names = {call["id"]: call["function"]["name"] for message in given for call in message.get("tool_calls") or ()}
    return [_message(message, names) for message in given]


def _message(message: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.get("role"), "content": message.get("content") or ""}
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [
            {"id": call["id"], "function": {"name": call["function"]["name"], "arguments": _arguments(call)}}
            for call in calls
        ]
    if thoughts := message.get("reasoning_content"):
        made["thinking"] = thoughts
    if made["role"] == "tool":
        ident = message.get("tool_call_id") or ""
        made |= {"tool_call_id": ident, "tool_name": names.get(ident, message.get("name") or "")}
    return made


def _arguments(call: dict[str, Any]) -> dict[str, Any]:
    name = call["function"]["name"]
    try:
        found = json.loads(call["function"]["arguments"] or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"the arguments of a call of {name} are no JSON object", code="invalid_request")
    return found


def parsed(line: bytes) -> dict[str, Any]:
    """One object of an answer; raises ``EngineError`` for one that says that Ollama failed."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EngineError("Ollama's answer is not JSON", code="engine_failed")
    if "error" in found:
        message = " ".join(str(found["error"]).split())
        kind = BusyError if "busy" in message or "loading" in message else EngineError
        raise kind(f"Ollama failed: {message}")
    return found


class Answer:
    """Turns what Ollama says into an answer of *kind*; *account*: a stream's last event says the usage."""

    def __init__(self, kind: Kind, model: str, created: int, *, account: bool = False) -> None:
        self.complete = False
        self._kind = kind
        self._about = {"ident": f"chatcmpl-{created}", "model": model, "created": created}
        self._account = account
        self._chunks = Chunks(**self._about)  # type: ignore[arg-type]  # as its parameters are
        self._text = kind == "text"
        self._calls = 0

    def whole(self, found: dict[str, Any]) -> bytes:
        """An answer in one piece."""
        try:
            if self._kind == "embedding":
                return self._vectors(found)
            used = _used(found)
            if self._text:
                return json.dumps(self._completion(found["response"], _finish(found), usage=used)).encode()
            message = found["message"]
            made: dict[str, Any] = {"content": message.get("content") or ""}
            if calls := message.get("tool_calls"):
                made["tool_calls"] = self._called(calls)
            if thoughts := message.get("thinking"):
                made["reasoning_content"] = thoughts
            return whole(made, self._why(found), used, **self._about)  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError):
            raise EngineError("the answer is not one of Ollama's", code="engine_failed") from None

    def feed(self, found: dict[str, Any]) -> bytes:
        """The next object of a stream, as events."""
        try:
            made = self._piece(found)
            if not found.get("done"):
                return made
            self.complete = True
            used = _used(found) if self._account else None
            if not self._text:
                return made + self._chunks.end(self._why(found), used)
            return made + self._end_of_text(_finish(found), used)
        except (KeyError, TypeError, AttributeError):
            raise EngineError("the stream is not one of Ollama's", code="engine_failed") from None

    def _piece(self, found: dict[str, Any]) -> bytes:
        if self._text:
            return self._event(self._completion(found["response"], None)) if found["response"] else b""
        message, made = found["message"], b""
        if thoughts := message.get("thinking"):
            made += self._chunks.delta(reasoning_content=thoughts)
        if message.get("content"):
            made += self._chunks.delta(content=message["content"])
        if calls := message.get("tool_calls"):
            first = self._calls
            made += self._chunks.delta(
                tool_calls=[{"index": first + number, **call} for number, call in enumerate(self._called(calls))]
            )
        return made

    def _called(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = []
        for call in calls:
            ident = call.get("id") or f"call_{self._calls}"
            self._calls += 1
            made.append(called(ident, call["function"]["name"], json.dumps(call["function"].get("arguments") or {})))
        return made

    def _why(self, found: dict[str, Any]) -> str:
        return "tool_calls" if self._calls else _finish(found)

    def _completion(self, text: str, finish: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
        ident, created, model = self._about["ident"], self._about["created"], self._about["model"]
        about = {"id": ident, "object": "text_completion", "created": created, "model": model}
        return {**about, "choices": [choice], **more}

    def _end_of_text(self, finish: str, used: dict[str, int] | None) -> bytes:
        last = self._event(self._completion("", finish))
        account = b"" if used is None else self._event({**self._completion("", None, usage=used), "choices": []})
        return last + account + b"data: [DONE]\n\n"

    def _event(self, value: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % json.dumps(value).encode()

    def _vectors(self, found: dict[str, Any]) -> bytes:
        data = [
            {"object": "embedding", "index": number, "embedding": vector}
            for number, vector in enumerate(found["embeddings"])
        ]
        used = {"prompt_tokens": found.get("prompt_eval_count", 0), "total_tokens": found.get("prompt_eval_count", 0)}
        return json.dumps({"object": "list", "model": self._about["model"], "data": data, "usage": used}).encode()


def packed(answer: bytes) -> bytes:
    """*answer* with its vectors in base64, little-endian f32 as OpenAI packs them."""
    found = json.loads(answer)
    for each in found["data"]:
        each["embedding"] = base64.b64encode(array("f", each["embedding"]).tobytes()).decode()
    return json.dumps(found).encode()


def _used(found: dict[str, Any]) -> dict[str, int]:
    return usage(int(found.get("prompt_eval_count") or 0), int(found.get("eval_count") or 0))


def _finish(found: dict[str, Any]) -> str:
    """``stop`` or ``length``; others (a model that was unloaded meanwhile) as Ollama says them."""
    return str(found.get("done_reason") or "stop")
