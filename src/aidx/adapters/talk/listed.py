"""The probabilities of a streamed answer's tokens: whether all of them came, and which belong to its text.

llama.cpp's server tells a token's probability beside the text that the token adds. Of a token whose text it holds back,
because that may become the beginning of a thought or of a text of ``stop``, it tells none at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

BROKEN = 3  # tokens at most that a bound leaves of a character


class Entries:
    """What is told of the tokens, as it comes; *found* are the entries."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._more = False
        self._parts = 0

    def take(self, delta: Mapping[str, Any], told: Sequence[dict[str, Any]]) -> None:
        """Keep what is *told* beside *delta*, and see whether there is more in this than in that."""
        self.found += told
        text = delta.get("content") or ""
        self._parts += len(text.encode()) - len(text)
        more = not "".join(each["token"] for each in told).endswith(text)
        self._more = self._more or more or bool(delta.get("reasoning_content") or delta.get("tool_calls"))

    def whole(self, tokens: int, *, bounded: bool) -> bool:
        """Whether every one of so many *tokens* is told that would be in one piece, but for the end of the answer.

        Of the tokens of one character only the last is told, by either way; a *bounded* answer can end before that.
        """
        missing = tokens - len(self.found) - self._parts - (BROKEN if bounded else 1)
        return not self.found or not (self._more or missing > 0)

    def of(self, text: str) -> list[dict[str, Any]]:
        """Those that begin within *text*: what comes after belongs to the text that it stopped at."""
        at, kept = 0, []
        for each in self.found:
            if at >= len(text):
                break
            kept.append(each)
            at += len(each["token"])
        return kept


def first_of(stops: Sequence[str], text: str) -> int | None:
    """Where in *text* the first of *stops* begins."""
    return min((at for at in map(text.find, stops) if at >= 0), default=None)
