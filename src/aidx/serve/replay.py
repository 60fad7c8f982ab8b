"""An answer that was completed before it is sent: as one object, or as the events of a stream."""

import json
from collections.abc import Iterator
from typing import Any

from aidx.patterns.vocabulary import Answer

PIECE = 256  # characters of an event; the answer is there already, so they are few
KEPT = ("id", "created", "model", "system_fingerprint")


def told(answer: Answer) -> dict[str, Any]:
    """What is said of *answer* beside it: who was asked for what, and what became of it."""
    found: dict[str, Any] = {"role": answer.role, "trail": [step.as_json for step in answer.trail]}
    if answer.why:
        found["route"] = answer.why
    if answer.weakened:
        found["weakened"] = list(answer.weakened)
    if answer.bounded:
        found["bounded"] = list(answer.bounded)
    return found


def whole(answer: Answer) -> dict[str, Any]:
    """The chat completion as its engine sent it, and what is said of it."""
    found: dict[str, Any] = json.loads(answer.said.whole)
    return found | {"aidx": told(answer)}


def events(answer: Answer, *, usage: bool) -> Iterator[bytes]:
    """The same as server-sent events, with the account of the tokens where *usage* wants it."""
    found = whole(answer)
    each = {name: found[name] for name in KEPT if name in found} | {"object": "chat.completion.chunk"}
    choice = found["choices"][0]
    message = choice["message"]
    beside = {name: message[name] for name in ("tool_calls", "reasoning_content") if message.get(name)}
    if calls := beside.get("tool_calls"):
        beside["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
    yield _event(each, {"role": "assistant", "content": "", **beside})
    for start in range(0, len(answer.text), PIECE):
        yield _event(each, {"content": answer.text[start : start + PIECE]})
    yield _event(each | {"aidx": found["aidx"]}, {}, choice.get("finish_reason") or "stop")
    if usage:
        yield b"data: " + json.dumps({**each, "choices": [], "usage": found.get("usage")}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _event(each: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({**each, "choices": [choice]}).encode() + b"\n\n"
