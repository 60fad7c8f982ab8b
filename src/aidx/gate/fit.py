"""Makes a prompt fit, or says why it does not: over the gate, over the context, too much history.

Nothing is ever cut in silence: where the role allows it, whole exchanges are left out of the middle, and counted.
"""

from msgspec import Struct

from aidx.errors import InputError
from aidx.gate.admit import Limits, RefusedError
from aidx.gate.count import Counter
from aidx.gate.prompt import Prompt
from aidx.gate.tokens import certain_bytes
from aidx.ports.chat import Chat


class Fitted(Struct, frozen=True):
    """A prompt that fits: its tokens, the output it leaves room for, and what was left out of it."""

    prompt: Prompt
    tokens: int
    output: int
    evicted_messages: int = 0
    evicted_tokens: int = 0


class Fitter:
    """Counts for one model and holds the count against its limits."""

    def __init__(self, limits: Limits, counter: Counter) -> None:
        self._limits = limits
        self._counter = counter

    async def fit(self, chat: Chat, prompt: Prompt) -> Fitted:
        """*prompt*, if it fits; raises ``RefusedError`` where it does not, and whatever counting raises."""
        compact = self._limits.overflow == "compact" and prompt.kind == "chat"
        if not compact:
            self._check_bytes(chat, prompt)
        tokens = await self._counter.count(chat, prompt)
        await self._check_history(chat, prompt, tokens)
        if prompt.kind == "embedding":
            return Fitted(prompt, tokens, self._limits.check(tokens, 0))
        if compact and self._over(prompt, tokens) > 0 and prompt.exchanges:
            return await self._compacted(chat, prompt, tokens)
        return Fitted(prompt, tokens, self._limits.check(tokens, prompt.max_tokens))

    async def count(self, chat: Chat, prompt: Prompt) -> int:
        """Tokens of *prompt*, whether it fits or not; what cannot fit however it is tokenized is refused uncounted."""
        self._check_bytes(chat, prompt)
        return await self._counter.count(chat, prompt)

    def at_once(self, chat: Chat, prompt: Prompt) -> Fitted | None:
        """The same for what is counted in no time, and held to its length alone; ``None``: ask the other one."""
        limits = self._limits
        if prompt.kind == "embedding" or limits.history is not None or limits.overflow == "compact":
            return None
        self._check_bytes(chat, prompt)
        tokens = self._counter.at_once(prompt)
        return None if tokens is None else Fitted(prompt, tokens, limits.check(tokens, prompt.max_tokens))

    def _over(self, prompt: Prompt, tokens: int) -> int:
        output = self._limits.output(tokens) if prompt.max_tokens is None else prompt.max_tokens
        return self._limits.over(tokens, output)

    def _check_bytes(self, chat: Chat, prompt: Prompt) -> None:
        """Refuse what cannot fit however it is tokenized, before anybody does."""
        if 4 * sum(map(len, prompt.certain)) <= self._limits.gate:  # bytes, and a token has one or more
            return
        least = chat.least(certain_bytes(prompt.certain))
        if least > self._limits.gate:
            output = 0 if prompt.kind == "embedding" else prompt.max_tokens or 1
            raise self._limits.too_long(least, output, self._limits.over(least, output), at_least=True)

    async def _check_history(self, chat: Chat, prompt: Prompt, tokens: int) -> None:
        most = self._limits.history
        if most is None or tokens <= most or not prompt.history:
            return
        history = tokens - await self._counter.count(chat, prompt.without(prompt.history))
        if history > most:
            raise RefusedError(
                f"the conversation has {history} tokens between the system text and the last question; "
                f"{most} are allowed",
                code="history_over_gate",
                hint="Leave out earlier messages, or start a new conversation.",
                n_history_tokens=history,
                max_chat_history_tokens=most,
                over_by=history - most,
            )

    async def _compacted(self, chat: Chat, prompt: Prompt, tokens: int) -> Fitted:
        """Leave out as few of the oldest exchanges as make the rest fit; without all of them it must."""
        exchanges = prompt.exchanges
        start = exchanges[0].start
        low, high = 1, len(exchanges)
        found: dict[int, tuple[Prompt, int]] = {}
        while low < high:
            middle = (low + high) // 2
            found[middle] = await self._counted(chat, prompt.without(range(start, exchanges[middle - 1].stop)))
            low, high = (low, middle) if self._over(*found[middle]) <= 0 else (middle + 1, high)
        if low not in found:
            found[low] = await self._counted(chat, prompt.without(range(start, exchanges[low - 1].stop)))
        kept, left = found[low]
        evicted = exchanges[low - 1].stop - start
        return Fitted(kept, left, self._limits.check(left, prompt.max_tokens), evicted, tokens - left)

    async def _counted(self, chat: Chat, prompt: Prompt) -> tuple[Prompt, int]:
        return prompt, await self._counter.count(chat, prompt)


def no_tools() -> InputError:
    """A model whose template drops tools would answer as if nobody had sent any."""
    return InputError(
        "the chat template of this model says nothing of tools: they would be dropped",
        code="tools_not_supported",
        hint="Leave tools out (and what came of earlier calls), or serve a model whose template takes them.",
    )
