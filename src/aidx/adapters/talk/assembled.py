"""A plain answer, put together of the pieces in which llama.cpp's server streams it."""

import json
from typing import Any

from aidx.adapters.talk.events import EventReader
from aidx.adapters.talk.refusal import refused_in
from aidx.errors import EngineError

ORDER = ("created", "model", "system_fingerprint", "object", "usage", "id", "timings")
TEXTS = ("content", "reasoning_content")
KINDS = {"chat.completion.chunk": "chat.completion"}


class Assembled:
    """Takes a stream piece by piece; *who* is named where it fails."""

    early = False

    def __init__(self, who: str) -> None:
        self._who = who
        self._events = EventReader()
        self._about: dict[str, Any] = {}
        self._finish: str | None = None
        self._texts: dict[str, list[str]] = {"content": []}
        self._calls: list[dict[str, Any]] = []
        self._complete = False

    @property
    def again(self) -> bool:
        """The engine looks for what it stops at."""
        return False

    def feed(self, piece: bytes) -> bytes:
        """Keep the next bytes; raises what the engine says instead of an answer."""
        for name, data in self._events.feed(piece):
            if self.early:
                break
            if data == b"[DONE]":
                self._complete = True
            elif name == "error" or data.startswith(b'{"error"'):
                raise refused_in(data, self._who)
            else:
                self._take(data)
        return b""

    def rest(self) -> bytes:
        """The answer; raises ``EngineError`` where the stream has no end."""
        if not self._complete or "object" not in self._about:
            raise EngineError(f"the answer of {self._who} broke off", code="engine_failed")
        about = self._about
        about["object"] = KINDS.get(about["object"], about["object"])
        found = {"choices": [self._choice()], **{name: about[name] for name in ORDER if name in about}}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

    def _take(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            choices = event.pop("choices")
            self._about |= event
            for choice in choices:
                self._finish = choice["finish_reason"] or self._finish
                self._piece(choice)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise EngineError(f"{self._who} does not stream as llama.cpp's server does") from None

    def _piece(self, choice: dict[str, Any]) -> None:
        delta = choice["delta"] if "delta" in choice else {"content": choice["text"]}
        for name in TEXTS:
            if delta.get(name):
                self._texts.setdefault(name, []).append(delta[name])
        for call in delta.get("tool_calls", ()):
            if call["index"] == len(self._calls):
                self._calls.append({"type": call["type"], "function": {"name": "", "arguments": ""}, "id": call["id"]})
            function = self._calls[call["index"]]["function"]
            for name, text in call["function"].items():
                function[name] += text

    def _choice(self) -> dict[str, Any]:
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        if self._about["object"] == "text_completion":
            return {"text": texts["content"], "index": 0, "logprobs": None, "finish_reason": self._finish}
        message: dict[str, Any] = {"role": "assistant", **texts}
        if self._calls:
            message["tool_calls"] = self._calls
        return {"finish_reason": self._finish, "index": 0, "message": message}
