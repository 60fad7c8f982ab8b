"""Plans asked the other way round: not whether this fits, but the most that does.

Each answer has been asked of the engine, and so has its upper neighbour, unless the plan is a fast one.
"""

from collections.abc import Callable, Generator, Sequence

from msgspec.structs import replace

from aidx.budget.allocate import MOST_SEQUENCES
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.ledger import Desk
from aidx.plan.need import Need
from aidx.plan.place import place, training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.search import closed_fit, longest
from aidx.plan.spread import fitted, spreads


def longest_context(model: ModelSpec, need: Need, machine: Machine) -> Generator[Probe, Answer, int]:
    """The longest multiple of 256 tokens, at most the training length, that holds at the placement of *need*.

    "Fits at N and not at N + 256": N + 256 was asked too. 0 where not even 256 tokens hold.
    """
    desk = _desk(model, need, machine)
    settings = yield from place(desk, need.checked())
    return (yield from longest(desk, settings, training_length(desk)))


def _desk(model: ModelSpec, need: Need, machine: Machine) -> Desk:
    return Desk(model, machine, need.fast, spreads=spreads(need, machine))


def most_slots(model: ModelSpec, need: Need, machine: Machine, each: int) -> Generator[Probe, Answer, int]:
    """The most slots of *each* tokens that hold at the placement of *need*; one slot more was asked too. 0: none."""
    desk = _desk(model, need, machine)
    settings = yield from place(desk, replace(need, ctx_size=each, parallel=1).checked())

    def at(slots: int) -> Settings:
        return replace(settings, parallel=slots, ctx_size=slots * each)

    holds, fails = 0, MOST_SEQUENCES + 1
    while fails - holds > 1:
        slots = (holds + fails) // 2
        if desk.model.layers is None:
            fits = yield from desk.ask(at(slots))
        else:
            fits = desk.closed(closed_fit(desk, at(slots)))
        holds, fails = (slots, fails) if fits.holds else (holds, slots)
    # The closed forms may be high for a model that is split: the engine is asked whether one slot more fits after all.
    while holds < MOST_SEQUENCES:
        more = yield from fitted(desk, at(holds + 1), desk.ask)
        if not (yield from desk.ask(more)).holds:
            break
        holds += 1
    return holds


def largest_quantization(
    build: Callable[[str], ModelSpec], quants: Sequence[str], need: Need, machine: Machine
) -> Generator[Probe, Answer, str | None]:
    """The first of *quants*, largest first, at which *need* holds; each larger one was asked and does not."""
    for quant in quants:
        desk = _desk(build(quant), need, machine)
        settings = yield from place(desk, need.checked())
        if (yield from desk.ask(settings)).holds:
            return quant
    return None
