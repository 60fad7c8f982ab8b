"""What is answered by a pattern over roles: completed and checked first, then sent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.gate.drive import Gate
from aidx.gate.patterns import Runner, drive
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer as Found
from aidx.serve import answer, replay

if TYPE_CHECKING:
    from aidx.serve.exchange import Exchange
    from aidx.serve.wire import Parsed

EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class Patterned(Struct, frozen=True):
    """A pattern that is offered under its name; its roles are asked through *gates*, its commands run by *runner*.

    *bounds* are the smallest of those roles that it needs. It *stands_for* roles that have no model of their own.
    """

    pattern: Served
    terms: Terms
    gates: Mapping[str, Gate]
    bounds: Mapping[str, int] = field(default_factory=dict)
    runner: Runner | None = None
    embeds: bool = False
    stands_for: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """It is counted under its own name."""
        return self.pattern.name

    @property
    def model(self) -> str:
        """Several models answer."""
        return self.pattern.name

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the pattern, and of the roles that it stands for."""
        return (self.pattern.name, *self.stands_for)

    async def answer(self, parsed: "Parsed", exchange: "Exchange", *, route: str = "") -> None:
        """Answer in one piece, or replayed as a stream; ``exchange`` is told what it took."""
        if parsed.prompt.kind != "chat":
            raise InputError(f"{self.pattern.name} answers chat completions only", code="wrong_kind_of_model")
        terms = replace(self.terms, shape=parsed.shape)
        gates = {role: gate for role, gate in self.gates.items() if role in terms.allowed}
        found = await drive(self.pattern.answer(parsed.prompt, terms), gates, self.runner)
        exchange.tokens = (found.prompt_tokens, found.completion_tokens)
        await _send(found, parsed, exchange, "; ".join(filter(None, (route, found.why))) or "named by pattern")


async def _send(found: Found, parsed: "Parsed", exchange: "Exchange", route: str) -> None:
    headers = answer.patterned(found, route, parsed.ignored)
    if not parsed.stream:
        exchange.reply.whole(answer.whole(replay.whole(found), headers=headers))
        return
    exchange.reply.begin(200, [*EVENTS, *headers])
    for event in replay.events(found, usage=parsed.usage):
        await exchange.reply.write(event)
    await exchange.reply.write(b"", more=False)
