"""Vectors of many texts from llama.cpp's server: a portion at a time, so that who leaves is missed in time.

It gives them in one piece only, and reads all texts of a request, in whatever slots are free, whoever has left. So a
request is no more than it reads in a moment, and what is under way when somebody leaves is waited for: nothing of it is
in the engine when its cells are given back.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import msgspec

from aidx.errors import EngineError
from aidx.ports.chat import Patience

MOMENT_S = 0.25
REMEMBERED = 4
Ask = Callable[[bytes, Patience], Awaitable[bytes]]


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    object: str
    index: int = 0
    encoding_format: str | msgspec.UnsetType = msgspec.UNSET


class _Vectors(msgspec.Struct):
    model: str
    object: str
    usage: dict[str, int]
    data: list[_Vector]


class Pace:
    """How many bytes are read in a moment, by what the latest portions took; a part of that goes for any portion."""

    def __init__(self) -> None:
        self._portions: list[tuple[int, float]] = []

    @property
    def most(self) -> float:
        """Bytes of the next portion: no more than twice those of the last, for what was not tried is not known."""
        if not self._portions:
            return 0.0
        size, seconds = self._portions[-1]
        other, before = min(self._portions, key=lambda one: abs(one[0] * 2 - size))  # half of it, or about that
        if other != size:
            more = (seconds - before) / (size - other)
        else:  # nothing else was tried
            more = 0.0 if seconds <= 2 * MOMENT_S else seconds / size
        return min(2.0 * size, MOMENT_S / more) if more > 0 else 2.0 * size

    def note(self, size: int, seconds: float) -> None:
        """A portion of so many bytes took so many *seconds*."""
        self._portions = [*self._portions[-REMEMBERED:], (size, seconds)]


class Vectors:
    """*ask* sends a request, and stays for its answer even if cancelled; *clock* gives seconds."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._pace = Pace()

    async def of(self, body: bytes, patience: Patience) -> bytes:
        """The engine's answer to the request *body*, as if it had been one; raises what *ask* does."""
        fields: dict[str, Any] = json.loads(body)
        texts: list[str] = [fields["input"]] if isinstance(fields["input"], str) else fields["input"]
        sizes = [len(text.encode()) for text in texts]
        at, answers = 0, list[bytes]()
        while at < len(texts):
            end = at + portion(sizes[at:], self._pace.most)
            part = body if end - at == len(texts) else json.dumps({**fields, "input": texts[at:end]}).encode()
            began = self._clock()
            answers.append(await self._ask(part, patience))
            self._pace.note(sum(sizes[at:end]), self._clock() - began)
            at = end
        return answers[0] if len(answers) == 1 else joined(answers)


def portion(sizes: Sequence[int], most: float) -> int:
    """How many texts of these *sizes* are *most* bytes together: one at least."""
    count, total = 1, sizes[0]
    while count < len(sizes) and total + sizes[count] <= most:
        total += sizes[count]
        count += 1
    return count


def joined(answers: Sequence[bytes]) -> bytes:
    """One answer of several, in their order; the numbers of a vector stay as they were written."""
    try:
        found = [msgspec.json.decode(each, type=_Vectors) for each in answers]
    except msgspec.DecodeError as error:
        raise EngineError(f"the engine does not give vectors as llama.cpp's server does: {error}") from None
    whole = found[0]
    whole.usage = {name: sum(each.usage.get(name, 0) for each in found) for name in whole.usage}
    whole.data = [vector for each in found for vector in sorted(each.data, key=lambda one: one.index)]
    for index, vector in enumerate(whole.data):
        vector.index = index
    return msgspec.json.encode(whole)
