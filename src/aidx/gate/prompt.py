"""A request as the gate sees it: messages that can be counted and left out, and the fields beside them."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from aidx.ports import Kind


class Turn(NamedTuple):
    """One message: who speaks, the text, the message as JSON; *plain*: there is nothing more to it than these."""

    role: str
    text: str
    raw: bytes
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked request, without the bound on its output.

    A chat has *turns*, anything else *texts*; *fields* are the rest of the JSON object (without braces), of which
    *tools* go through the model's template as well. *max_tokens* is the output that was asked for.
    """

    turns: tuple[Turn, ...] = ()
    texts: tuple[str, ...] = ()
    fields: bytes = b""
    max_tokens: int | None = None
    kind: Kind = "chat"
    tools: bool = False
    stream: bool = False

    @property
    def body(self) -> bytes:
        """The request as JSON; messages come first, so that two prompts can be compared by how they begin."""
        if self.kind != "chat":
            return b"{%b}" % self.fields
        messages = b",".join([turn.raw for turn in self.turns])
        return b'{"messages":[%b]%b%b}' % (messages, b"," if self.fields else b"", self.fields)

    @property
    def certain(self) -> tuple[str, ...]:
        """Texts of which a template keeps everything but blanks at the ends: what users and systems say."""
        if self.kind != "chat":
            return self.texts
        return tuple([turn.text for turn in self.turns if turn.role in {"system", "user"}])

    @property
    def history(self) -> range:
        """The turns between the system text and the last thing that the user said."""
        users = [number for number, turn in enumerate(self.turns) if turn.role == "user"]
        return range(self._after_system, users[-1] if users else self._after_system)

    @property
    def exchanges(self) -> tuple[range, ...]:
        """The history in pieces that stand for themselves, oldest first: from one user's message to the next."""
        starts = [number for number in self.history if self.turns[number].role == "user"]
        borders = sorted({*starts, self.history.start, self.history.stop})
        return tuple(range(low, high) for low, high in pairwise(borders))

    def without(self, turns: range) -> "Prompt":
        """The same request less *turns*."""
        return replace(self, turns=self.turns[: turns.start] + self.turns[turns.stop :])

    @property
    def _after_system(self) -> int:
        return next((number for number, turn in enumerate(self.turns) if turn.role != "system"), len(self.turns))
