"""The model ``auto``: Hybrid Routing chooses a role, and that role answers as if it had been named.

The choice is a pattern; the answer is not, so that it streams through as the engine's bytes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from aidx.errors import AidxError, InputError
from aidx.gate.patterns import drive
from aidx.patterns.route import NAME, NEEDS, Judge, choose, milder
from aidx.patterns.terms import Terms
from aidx.serve.service import Service

if TYPE_CHECKING:
    from aidx.serve.exchange import Exchange, Offered
    from aidx.serve.wire import Parsed


class Auto(Struct, frozen=True):
    """Answers by one of *roles*, as *judge* chooses under *terms*."""

    roles: "Mapping[str, Offered]"
    terms: Terms
    judge: Judge

    @property
    def role(self) -> str:
        """Its own name: until a role is chosen, requests are counted under it."""
        return NAME

    @property
    def model(self) -> str:
        """Several models answer."""
        return NAME

    @property
    def names(self) -> tuple[str, ...]:
        """The one name."""
        return (NAME,)

    @property
    def embeds(self) -> bool:
        """It makes no vectors."""
        return False

    @property
    def bounds(self) -> Mapping[str, int]:
        """The largest that one of its roles takes: what the Editor refuses for its size the Architect is asked."""
        every = [self.roles[role].bounds for role in NEEDS if role in self.roles]
        return {name: max(bounds[name] for bounds in every) for name in every[0]}

    async def answer(self, parsed: "Parsed", exchange: "Exchange", *, route: str = "") -> None:
        """Choose, and let the role answer; one that cannot take the request hands it to the other, where that may be.

        Raises what the last of them raises.
        """
        del route  # nobody chooses this one but who names it
        gates = {name: role.gate for name, role in self.roles.items() if isinstance(role, Service)}
        choice = await drive(choose(parsed.prompt, self.terms, self.judge), gates)
        try:
            await self._by(choice.role, choice.why, parsed, exchange)
        except AidxError as error:
            other = None if exchange.reply.started else choice.turn_to(error)
            if other is None:
                raise
            why = f"{other}: {choice.role} could not ({error.code}); {choice.why}"
            try:
                await self._by(other, why, parsed, exchange)
            except AidxError as second:
                raise milder(error, second) from None

    async def _by(self, role: str, why: str, parsed: "Parsed", exchange: "Exchange") -> None:
        service = self.roles.get(role)
        if service is None:
            raise InputError(f"{role} is not served here, and this request is for it ({why})", code="role_not_served")
        exchange.offered, exchange.grant = service, None
        await service.answer(parsed, exchange, route=why)
