"""A request as patterns and the gate see it: messages that can be counted and left out, and the fields beside them."""

import json
from itertools import pairwise
from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal["chat", "text", "embedding"]
"""What a request is: chat completion, text completion (``{"prompt": …}``), embedding (``{"input": …}``)."""
Precision = Literal["exact", "near", "bound", "estimate"]
"""A count is what the model will read, that with room because its service is not sure, never less, or about that."""
Counting = Literal["estimated", "held", "foreseen"]
"""How a service's chats count: by themselves and at once; never low, asking the service where it can; or as that would
be: nothing is sent, and what the service would count is estimated."""
STREAMING = ("stream", "stream_options")


class Turn(Struct, frozen=True):
    """One message: who speaks, the text, the message as JSON; *plain*: there is nothing more to it than these."""

    role: str
    text: str
    raw: bytes
    plain: bool = True

    @classmethod
    def of(cls, role: str, text: str) -> Self:
        """A message that is nothing but *text*."""
        return cls(role, text, json.dumps({"role": role, "content": text}, ensure_ascii=False).encode())


class Prompt(Struct, frozen=True):
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

    def then(self, *turns: Turn) -> "Prompt":
        """The same request with *turns* after it: what they share is read by the engine once."""
        return replace(self, turns=(*self.turns, *turns))

    def also(self, **fields: object) -> "Prompt":
        """The same request with *fields* in place of its own of these names; it asks for no stream.

        A field that is ``None`` goes.
        """
        kept = json.loads(b"{%b}" % self.fields)
        kept = {name: value for name, value in {**kept, **fields}.items() if value is not None}
        for name in STREAMING:
            kept.pop(name, None)
        inner = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]
        return replace(self, fields=inner, stream=False)

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
