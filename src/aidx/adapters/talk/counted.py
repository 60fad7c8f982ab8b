"""How the prompts of a service are counted: roughly by themselves, by asking it, or as the most that they can be.

Three spellings of a count are in use (read 2026-11): vLLM's ``POST /tokenize`` with ``messages``, which aidx's endpoint
has as well (``entrypoints/serve/tokenize/protocol.py``), llama.cpp's ``POST /v1/chat/completions/input_tokens``
(``tools/server``) and OpenAI's ``POST /v1/responses/input_tokens`` (API reference). Anthropic has
``POST /v1/messages/count_tokens``. Which of them a service has is tried with two texts of ours.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct

from aidx.adapters.http import Pool
from aidx.adapters.talk.refusal import refused
from aidx.errors import AidxError, EngineError
from aidx.gate.bound import at_most, spared
from aidx.gate.estimate import estimate
from aidx.patterns.prompt import Counting, Precision
from aidx.ports.chat import Patience

COUNTED = Patience(60.0, 60.0)
TRIED = Patience(10.0, 10.0)  # a service that takes longer to count a word is not asked
SHORT, LONG = "x", "a b " * 64  # a count grows with the text, or is none
GROWS = 64
MOST = 1 << 31

Form = Callable[[dict[str, Any], str], dict[str, Any]]


class Spelling(Struct, frozen=True):
    """One way to ask: *path* below the service's root or its base; *form* makes the request, *field* has the count.

    With *about* the service calls its count an estimate, or counts for another interface than the one that answers.
    """

    path: str
    form: Form
    field: str
    at_root: bool = False
    about: bool = False


def _messages(asked: dict[str, Any], model: str) -> dict[str, Any]:
    """What a template sees of a chat completion request."""
    return {"model": model, **{name: asked[name] for name in ("messages", "tools", "tool_choice") if asked.get(name)}}


def _tokenize(asked: dict[str, Any], model: str) -> dict[str, Any]:
    fields = _messages(asked, model)
    fields.pop("tool_choice", None)
    return {**fields, "add_generation_prompt": True}


def _input(asked: dict[str, Any], model: str) -> dict[str, Any]:
    return {"model": model, "input": asked["messages"]}


TOKENIZE = Spelling("/tokenize", _tokenize, "count", at_root=True)
INPUT_TOKENS = Spelling("/chat/completions/input_tokens", _messages, "input_tokens")
RESPONSES = Spelling("/responses/input_tokens", _input, "input_tokens", about=True)


class Way(Protocol):
    """How the chats of one connection are counted."""

    precision: Precision

    async def count(self, body: bytes) -> int:
        """Tokens of the chat *body*."""
        ...

    def close(self) -> None:
        """Drop the connections."""
        ...


class Roughly:
    """At once, and on the low side: nobody is asked."""

    precision: Precision = "estimate"

    async def count(self, body: bytes) -> int:
        """Four bytes a token."""
        return estimate(body)

    def close(self) -> None:
        """There are no connections."""


class AtMost:
    """At once, and never low: a token a byte."""

    precision: Precision = "bound"

    async def count(self, body: bytes) -> int:
        """The most that it can be."""
        return at_most(body)

    def close(self) -> None:
        """There are no connections."""


class Asked:
    """By *spelling*, of the service *who* at *pool*, which it closes where that is its *own*."""

    def __init__(self, pool: Pool, spelling: Spelling, model: str, who: str, *, own: bool = True) -> None:
        self.precision: Precision = "near" if spelling.about else "exact"
        self._pool, self._spelling, self._model, self._who, self._own = pool, spelling, model, who, own

    async def count(self, body: bytes) -> int:
        """What the service says, and a little more where it calls that an estimate; raises where it says nothing."""
        asked = json.loads(body)
        if self._spelling is RESPONSES and asked.get("tools"):  # they are written in another way there
            return at_most(body)
        found = await self.says(asked, COUNTED)
        return spared(found) if self._spelling.about else found

    async def says(self, asked: dict[str, Any], patience: Patience) -> int:
        """The service's own figure."""
        sent = json.dumps(self._spelling.form(asked, self._model)).encode()
        status, said = await self._pool.request("POST", self._spelling.path, sent, patience=patience)
        if status != 200:
            raise refused(status, said, who=self._who)
        return count_of(said, self._spelling.field, f"{self._who} does not answer {self._spelling.path}")

    def close(self) -> None:
        """Drop the connections."""
        if self._own:
            self._pool.close()


def count_of(said: bytes, field: str, wrong: str) -> int:
    """The count in *field* of what a service *said*; raises ``EngineError`` with what is *wrong* for anything else."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        found = json.loads(said)[field]
        if type(found) is int and 0 < found < MOST:
            return found
    raise EngineError(f"{wrong} with a count", code="engine_failed")


async def find(spellings: Iterable[Spelling], pool: Callable[[Spelling], Pool], model: str) -> Spelling | None:
    """The first of *spellings* that the service counts by, tried with two texts of ours; ``None`` where it has none.

    A service that is busy, or fails, is taken for one that has none: the bound needs nobody.
    """
    for spelling in spellings:
        way = Asked(pool(spelling), spelling, model, "the service")
        try:
            short, long = [await way.says(_of_ours(text), TRIED) for text in (SHORT, LONG)]
            if long - short >= GROWS:
                return spelling
        except AidxError:
            continue
        finally:
            way.close()
    return None


def _of_ours(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def way(counting: Counting, spelling: Spelling | None, ask: Callable[[Spelling], Way]) -> Way:
    """How a chat counts that was started to be counted so, by a service that has *spelling*."""
    if counting == "estimated":
        return Roughly()
    if spelling is None:
        return AtMost()
    return ask(spelling) if counting == "held" else Roughly()
