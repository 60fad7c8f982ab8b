"""Who counts a prompt: we, where template and vocabulary are known, else the engine.

Byte-level BPE costs about 50 µs a kilobyte here and a round trip with its own parsing there. The engine's usage of
each answer is compared with what was counted; where the two differ once, the engine counts from then on.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from aidx.gate.prompt import Prompt
from aidx.gate.runs import check
from aidx.gate.templates import Template
from aidx.gate.tokens import Tokens
from aidx.ports.chat import Chat

AT_ONCE = 16_384  # characters (about 1 ms) that are counted without leaving the event loop
COUNTING = 4  # requests that the engine counts at the same time


class Own(Struct, frozen=True):
    """What we know of a model: its vocabulary, and its template where that is a known one."""

    tokens: Tokens
    template: Template | None = None

    def text(self, prompt: Prompt) -> str | None:
        """What the model will read, without a beginning of its own; ``None`` where only the engine knows."""
        if prompt.kind == "text":
            return prompt.texts[0]
        if prompt.kind != "chat" or prompt.tools or self.template is None:
            return None
        return self.template.render(prompt.turns)

    def begins(self, prompt: Prompt) -> bool:
        """Whether a token of its own begins *prompt*: the tokenizer's doing, or the template's, never twice."""
        return self.tokens.bos or (prompt.kind == "chat" and self.template is not None and self.template.bos)


class Counter:
    """Counts prompts exactly; belongs to one event loop. *warn* is handed a line when a count was wrong."""

    def __init__(self, own: Own | None, warn: Callable[[str], object]) -> None:
        self.drifts = 0
        self.by_engine = 0
        self.own_counts = 0
        self._own = own
        self._trusted = True
        self._warn = warn
        self._turn = asyncio.Semaphore(COUNTING)

    @property
    def knows(self) -> bool:
        """Whether some prompts are counted here."""
        return self._own is not None

    def know(self, own: Own | None) -> None:
        """Count with *own* from now on, unless it was found wrong already."""
        if self._trusted:
            self._own = own

    async def count(self, chat: Chat, prompt: Prompt) -> int:
        """Tokens of *prompt*; raises as ``Chat.count`` does, and for text that no tokenizer survives."""
        count = self.at_once(prompt)
        if count is not None:
            return count
        own = self._own
        text = None if own is None else own.text(prompt)
        if own is None or text is None:
            async with self._turn:
                self.by_engine += 1
                return await chat.count(prompt.body, kind=prompt.kind)
        self.own_counts += 1
        return own.begins(prompt) + await own.tokens.count_beside(text)

    def at_once(self, prompt: Prompt) -> int | None:
        """The same where it takes no time; ``None``: ask the other one."""
        check(prompt)
        own = self._own
        text = None if own is None else own.text(prompt)
        if own is None or text is None or len(text) > AT_ONCE:
            return None
        self.own_counts += 1
        return own.begins(prompt) + own.tokens.count(text)

    def compare(self, counted: int, used: int) -> None:
        """Note what the engine says that it *used* of the prompt."""
        if counted == used:
            return
        self.drifts += 1
        if self.drifts == 1:
            whose = "the engine's own count" if self._own is None else "our count"
            now = "" if self._own is None else "; the engine counts from now on"
            self._warn(f"a prompt of {used} tokens was counted as {counted}: {whose} is off by {used - counted}{now}")
        self._own = None
        self._trusted = False
