"""The smallest set of changes that makes a plan hold, where no single one is enough."""

from collections.abc import Callable, Generator, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.changes import Change, layers_away, of_settings, smaller
from aidx.plan.engines import Written
from aidx.plan.ledger import Desk
from aidx.plan.need import OFFLOAD_CTX
from aidx.plan.place import training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.search import closed_fit, closed_look, longest

MOST_PARTS = 4  # of one way out: more than that is another model


class Step(NamedTuple):
    """After a part: the desk, the settings, what a user types for it, what is left out for it."""

    desk: Desk
    settings: Settings
    flags: str
    omits: tuple[str, ...] = ()


Stepping = Callable[[Desk, Settings], Generator[Probe, Answer, Step | None]]


class Part(Struct, frozen=True):
    """A change that can be made together with others; *step* makes it, or says that it cannot be made.

    Two of one *kind* are never taken together.
    """

    kind: str
    cost: str
    step: Stepping


def combined(
    desk: Desk, settings: Settings, variant: Callable[[str], ModelSpec] | None, written: Written
) -> Generator[Probe, Answer, Change | None]:
    """The smallest set of changes that makes the plan hold; of its size the cheapest in quality.

    Sets are tried by closed forms alone, which never take less than the engine does.
    """
    parts = [*_fields(desk, settings, written), *_types(desk, settings, variant), SHORTER]
    if desk.machine.gpus:
        parts.append(AWAY)
    for size in range(2, MOST_PARTS + 1):
        for together in combinations(parts, size):
            if len({part.kind for part in together}) == size:
                change = yield from _made(desk, settings, together)
                if change is not None:
                    return change
    return None


def _made(desk: Desk, settings: Settings, parts: tuple[Part, ...]) -> Generator[Probe, Answer, Change | None]:
    flags: list[str] = []
    omits: list[str] = []
    for part in parts:
        step = yield from part.step(desk, settings)
        if step is None:
            return None
        desk, settings = step.desk, step.settings
        flags.append(step.flags)
        omits += step.omits
    if not desk.closed(closed_fit(desk, settings)).holds:
        return None
    cost = "; ".join(part.cost for part in parts)
    return Change(desk, settings, " ".join(filter(None, flags)), cost, tuple(omits))


def _fields(desk: Desk, settings: Settings, written: Written) -> Iterator[Part]:
    """Changes of a setting or two each, which go with any other."""
    for change in of_settings(desk, settings, desk.closed(closed_fit(desk, settings)), written):
        altered = {
            name: getattr(change.settings, name)
            for name in settings.__struct_fields__
            if getattr(change.settings, name) != getattr(settings, name)
        }
        yield Part(change.flags or change.omits[0], change.cost, _altering(altered, change))


def _altering(altered: dict[str, Any], change: Change) -> Stepping:
    def step(desk: Desk, settings: Settings) -> Generator[Probe, Answer, Step | None]:
        yield from ()
        return Step(desk, replace(settings, **altered), change.flags, change.omits)

    return step


def _types(desk: Desk, settings: Settings, variant: Callable[[str], ModelSpec] | None) -> Iterator[Part]:
    for change in smaller(desk, settings, variant):
        yield Part("quant", change.cost, _requantizing(change))


def _requantizing(change: Change) -> Stepping:
    def step(_: Desk, settings: Settings) -> Generator[Probe, Answer, Step | None]:
        yield from ()
        return Step(change.desk, settings, change.flags)

    return step


def _shorter(desk: Desk, settings: Settings) -> Generator[Probe, Answer, Step | None]:
    reach = yield from longest(desk, settings, min(training_length(desk), settings.ctx_size), closed_look(desk))
    if not min(OFFLOAD_CTX, settings.ctx_size) <= reach < settings.ctx_size:
        return None
    return Step(desk, replace(settings, ctx_size=reach), f"--ctx-size {reach}")


def _away(desk: Desk, settings: Settings) -> Generator[Probe, Answer, Step | None]:
    yield from ()
    return Step(desk, layers_away(desk, settings).settings, "")  # the placement is named with every split model


SHORTER = Part("ctx", "a shorter context", _shorter)
AWAY = Part("layers", "slower: layers on the host", _away)
