"""The probabilities of a streamed answer's tokens: whether all of them came, and which belong to its text.

llama.cpp's server tells a token's probability beside the text that the token adds. Of a token whose text it holds back,
because that may become the beginning of a thought or of a text of ``stop``, it tells none at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aidx.adapters.talk.assembled import Assembled

BROKEN = 3  # tokens at most that a bound leaves of a character


class Listed(Assembled):
    """An answer with the probability of each token that is told; where it has *stops*, it stops at them itself."""

    def __init__(self, who: str, stops: tuple[str, ...]) -> None:
        super().__init__(who)
        self._entries = Entries()
        self._stops = stops
        self._kept = max(map(len, stops), default=1) - 1
        self._tail = ""  # may be the beginning of a text that it stops at

    @property
    def again(self) -> bool:
        """Where not every token is told; a completion of text always tells them all, for nothing is read in it."""
        if not self._stops or self._about.get("object") == "text_completion":
            return False
        tokens = (self._about.get("usage") or {}).get("completion_tokens", 0)
        return not self._entries.whole(tokens, bounded=self._finish == "length")

    def _piece(self, choice: dict[str, Any]) -> None:
        super()._piece(choice)
        told = (choice.get("logprobs") or {}).get("content", [])
        if "delta" in choice:
            self._entries.take(choice["delta"], told)
            self._look(choice["delta"].get("content") or "")
        else:
            self._entries.found += told
            self._look(choice["text"])

    def _look(self, text: str) -> None:
        """Stop where *text* completes one of those that it stops at."""
        near = self._tail + text
        if (at := first_of(self._stops, near)) is None:
            self._tail = near[max(0, len(near) - self._kept) :]
            return
        content = "".join(self._texts["content"])
        self._texts["content"] = [content[: len(content) - len(near) + at]]
        self._finish = "stop"
        self._about["usage"] = _used(self._about["timings"])
        self._complete = self.early = True

    def _choice(self) -> dict[str, Any]:
        entries = self._entries.of("".join(self._texts["content"])) if self.early else self._entries.found
        return super()._choice() | ({"logprobs": {"content": entries}} if entries else {})


def _used(timings: dict[str, Any]) -> dict[str, Any]:
    """The tokens of an answer that was not waited for to its end."""
    cached = timings.get("cache_n", 0)
    prompt, written = timings["prompt_n"] + cached, timings["predicted_n"]
    return {
        "completion_tokens": written,
        "prompt_tokens": prompt,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


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
