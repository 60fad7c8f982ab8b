"""An answer put together from the events of its stream."""

import json
from typing import Any

from msgspec import Struct, field

from aidx.errors import EngineError
from aidx.plan.speed import Timing

DONE = b"[DONE]"
TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
MOST = 1 << 31  # tokens


class Reply(Struct):
    """What has arrived of an answer: its text, why it ended, and the tokens it took, where they were told.

    *timing* is the engine's own account of how fast it made them, *told* what an endpoint of ours says of the answer.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    timing: Timing | None = None
    told: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    _rest: bytes = b""

    def feed(self, data: bytes) -> str:
        """The text that *data*, a piece of the stream, adds; raises ``EngineError`` for an error in it."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        added = "".join(self._event(event) for event in events)
        self.text += added
        return added

    def _event(self, event: bytes) -> str:
        if not event.startswith(b"data:"):
            return ""  # a comment that keeps the connection alive
        payload = event[5:].strip()
        if payload == DONE:
            self.complete = True
            return ""
        try:
            return self._said(json.loads(payload))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise EngineError("the answer is not the stream of a chat completion", code="engine_failed") from None

    def _said(self, found: dict[str, Any]) -> str:
        if error := found.get("error"):
            said = error.get("message", "unknown error") if isinstance(error, dict) else error
            raise EngineError(str(said), code="engine_failed")
        if usage := found.get("usage"):
            self.usage = {name: usage[name] for name in TOKENS if _whole(usage.get(name))}
        self.timing = _timing(found.get("timings")) or self.timing
        self.told = found.get("aidx") or self.told
        if not found.get("choices"):
            return ""
        choice = found["choices"][0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return "" + (choice["delta"].get("content") or "")


def _whole(tokens: object) -> bool:
    """Whether *tokens* can be a number of tokens; what cannot was not told."""
    return type(tokens) is int and 0 <= tokens < MOST


def _timing(told: object) -> Timing | None:
    """What llama-server says at the end of an answer; ``None`` for anything else."""
    if not isinstance(told, dict):
        return None
    tokens, rate = told.get("predicted_n"), told.get("predicted_per_second")
    if not isinstance(tokens, int) or not isinstance(rate, float | int) or tokens < 1 or not rate > 0:
        return None
    return Timing(tokens, float(rate))
