"""Estimated prompts: what a model takes more than its estimates say is learned from what it says of its answers."""

from collections.abc import AsyncGenerator
from fractions import Fraction
from math import ceil

from msgspec import Struct

from aidx.pipeline.contract import OTHERWISE, Json
from aidx.pipeline.ending import TooLongError
from aidx.ports import PATIENCE, Chat, Enforced, Kind, Patience


class Ratio(Struct):
    """How many tokens a model takes for each one that is estimated; never fewer than one."""

    value: Fraction = Fraction(1)

    def scaled(self, estimate: int) -> int:
        """What *estimate* is taken for."""
        return ceil(estimate * self.value)

    def learn(self, told: Json) -> None:
        """Take over what a request of the ledger says of both figures."""
        beyond = sum(item["tokens"] for item in told["context"] if item["item"] == OTHERWISE)
        counted = told["prompt_tokens"] - beyond
        if beyond > 0 and counted > 0:
            # A scaled estimate was rounded up by less than one token: what is learned from it does not err low.
            before = counted if self.value == 1 else max(counted - 1, 1)
            self.value *= Fraction(told["prompt_tokens"], before)


class Scaled:
    """*inner*, which only estimates: its estimates are scaled by *ratio*."""

    exact = False

    def __init__(self, inner: Chat, ratio: Ratio) -> None:
        self._inner, self._ratio = inner, ratio

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """The scaled estimate."""
        return self._ratio.scaled(await self._inner.count(body, kind=kind))

    def least(self, size: int) -> int:
        """As the inner one."""
        return self._inner.least(size)

    async def takes_tools(self) -> bool:
        """As the inner one."""
        return await self._inner.takes_tools()

    def enforces(self) -> Enforced:
        """As the inner one."""
        return self._inner.enforces()

    def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """As the inner one."""
        return self._inner.answer(body, slot=slot, kind=kind, patience=patience)

    def close(self) -> None:
        """As the inner one."""
        self._inner.close()


def within(told: Json, gate: int) -> None:
    """Raise ``TooLongError`` where the request *told* in the ledger took more than its *gate* lets through."""
    taken = told["prompt_tokens"]
    if taken <= gate:
        return
    counted = taken - sum(item["tokens"] for item in told["context"] if item["item"] == OTHERWISE)
    raise TooLongError(
        f"{told['model']} says that the prompt had {taken} tokens, and the {told['role']}'s gate is {gate} "
        f"({counted} were expected): its answer is not used",
        hint=f"Send it less, or give [roles.{told['role']}] a larger gate, and go on with --resume.",
    )
