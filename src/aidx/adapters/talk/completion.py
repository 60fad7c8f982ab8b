"""Answers in OpenAI's shape, made of what another interface said."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def usage(prompt: int, output: int) -> dict[str, int]:
    """The account of an answer."""
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def whole(message: dict[str, Any], finish: str, used: dict[str, int], *, ident: str, model: str, created: int) -> bytes:
    """A chat completion in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    about = {"id": ident, "object": "chat.completion", "created": created, "model": model}
    return json.dumps({**about, "choices": [choice], "usage": used}).encode()


def called(ident: str, name: str, arguments: str, index: int | None = None) -> dict[str, Any]:
    """A call of a tool; with an *index* as a piece of a stream has it."""
    call: dict[str, Any] = {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}
    return call if index is None else {"index": index, **call}


class Chunks:
    """The events of a streamed answer, one after the other."""

    def __init__(self, *, ident: str, model: str, created: int) -> None:
        self._about = {"id": ident, "object": "chat.completion.chunk", "created": created, "model": model}

    def delta(self, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
        """A piece of the message."""
        return self._event([{"index": 0, "delta": fields, "finish_reason": None}])

    def end(self, finish: str, used: dict[str, int] | None) -> bytes:
        """Why it ended, the account where one was asked for, and the last word."""
        last = self._event([{"index": 0, "delta": {}, "finish_reason": finish}])
        account = b"" if used is None else self._event([], usage=used)
        return last + account + DONE

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:  # noqa: ANN401 - JSON
        return b"data: %b\n\n" % json.dumps({**self._about, "choices": choices, **more}).encode()
