"""Reads the engine's own account of an answer as its bytes go by, without decoding them."""

import re

TAIL = 256  # bytes kept of a piece, since the account may be cut by the border to the next
_USAGE = re.compile(rb'"usage":\s?\{[^{}]*')  # inside a string every quotation mark is escaped: this is no text
_FIELD = re.compile(rb'"(prompt_tokens|completion_tokens)":\s?(\d{1,12})')


class Usage:
    """What was said last: tokens of the prompt and of the answer; ``None`` while nothing was."""

    def __init__(self) -> None:
        self.prompt: int | None = None
        self.completion: int | None = None
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Look at the next piece of the answer."""
        seen = self._tail + data if self._tail else data
        self._tail = seen[-TAIL:]
        at = len(seen)
        while (at := seen.rfind(b'"usage"', 0, at)) >= 0:
            if found := _USAGE.match(seen, at):
                said = dict(_FIELD.findall(found[0]))
                if prompt := said.get(b"prompt_tokens"):
                    self.prompt = int(prompt)
                if completion := said.get(b"completion_tokens"):
                    self.completion = int(completion)
                return
