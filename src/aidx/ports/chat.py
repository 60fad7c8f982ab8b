"""The ports to a model that answers: what counts its tokens, what asks it."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from msgspec import Struct

from aidx.patterns.prompt import Kind, Precision

Enforced = Literal["llguidance", "json_schema", "documented", "none"]
"""How an engine holds an answer to a schema: by a grammar of llguidance's, by its own reading of a JSON Schema, as its
service says of itself and nobody has tried, not."""


class Patience(Struct, frozen=True):
    """How many seconds an engine may be silent before its answer begins, and between two pieces of it.

    *lasts_s* is what an answer in one piece may take altogether, at the speed of the latest ones; 0 where it may come
    in pieces.
    """

    first_s: float = 600.0
    between_s: float = 300.0
    lasts_s: float = 0.0


PATIENCE = Patience()


class Tokenizer(Protocol):
    """Something that counts what a model will read."""

    @property
    def precision(self) -> Precision:
        """What its counts are."""
        ...

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Tokens of the prompt that *body*, a request of *kind*, becomes, template and tools included.

        Raises ``InputError`` where the model's template refuses the messages, ``EngineError`` where nobody
        can count.
        """
        ...

    def least(self, size: int) -> int:
        """The fewest tokens that *size* bytes of message text can be; 0 where that is not known."""
        ...


class Chat(Tokenizer, Protocol):
    """One model that answers requests; belongs to the event loop it was first used on."""

    def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The answer to *body* as OpenAI's bytes: one JSON object, or server-sent events when it asks for them.

        *slot* (0, 1, …) is the caller's for as long as the generator lives, and ``aclose`` returns only when
        the engine holds nothing of the request any more, or is dead. Raises ``InputError`` for a request that
        the engine refuses (before the first bytes) and ``EngineError`` for an engine that fails at any point;
        its code is ``engine_silent`` for one that tries the caller's *patience*.
        """
        ...

    async def takes_tools(self) -> bool:
        """Whether the model's template says anything of the tools in a request; one that does not drops them."""
        ...

    def enforces(self) -> Enforced:
        """What was seen to hold an answer to a schema when the engine started or was found; never assumed.

        ``llguidance`` takes a field ``grammar`` that begins with ``%llguidance``, ``json_schema`` a
        ``response_format`` as OpenAI's, ``documented`` that too, for narrow schemas.
        """
        ...

    def close(self) -> None:
        """Drop the connections; requests in flight fail."""
        ...
