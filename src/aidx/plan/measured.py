"""Which way to run a model is best by measurement, with as few measurements as that takes: a pure generator.

Ways are ordered by size, the largest first; what is smaller is faster and loses more. So each bound is one border in
that order, found by halving: of seven ways at most three are measured for it. The plan has already left out what does
not hold, which costs nothing.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from aidx.errors import BudgetError


class Way(NamedTuple):
    """A quantization with the cache types that hold with it, and the bytes of its file."""

    quantization: str
    cache_type_k: str
    cache_type_v: str
    file_bytes: int


class Measure(Struct, frozen=True):
    """Asks for one figure of *way*: its mean divergence, or its tokens a second."""

    way: Way
    what: Literal["loss", "speed"]


Search = Generator[Measure, float, Way]


def search(ways: Sequence[Way], *, max_loss: float | None, min_tps: float | None) -> Search:
    """The best of *ways*, at least one, largest first.

    With *min_tps* the one that loses least among those that are fast enough, if it also keeps to *max_loss*; with
    *max_loss* alone the smallest that keeps to it; with neither the largest. Raises ``BudgetError`` where none is.
    """
    if min_tps is not None:
        way = yield from _fastest_enough(ways, min_tps)
        if max_loss is not None and (lost := (yield Measure(way, "loss"))) > max_loss:
            raise BudgetError(
                f"what is fast enough loses too much: {way.quantization} {lost:.4g}, and {max_loss:g} is asked for",
                hint="Allow more loss, or fewer tokens a second, or a shorter -c so that more of it is on the GPU.",
            )
        return way
    if max_loss is None:
        return ways[0]
    return (yield from _smallest_within(ways, max_loss))


def _fastest_enough(ways: Sequence[Way], min_tps: float) -> Search:
    seen: list[float] = []

    def enough(speed: float) -> bool:
        seen.append(speed)
        return speed >= min_tps

    place = yield from _border(ways, "speed", enough)
    if place == len(ways):
        raise BudgetError(
            f"nothing is fast enough: {max(seen):.1f} tokens a second at most, and {min_tps:g} are asked for",
            hint="Ask for fewer, or choose a smaller model.",
        )
    return ways[place]


def _smallest_within(ways: Sequence[Way], max_loss: float) -> Search:
    seen: list[float] = []

    def over(loss: float) -> bool:
        seen.append(loss)
        return loss > max_loss

    place = yield from _border(ways, "loss", over)
    if place == 0:
        raise BudgetError(
            f"nothing that holds loses so little: {min(seen):.4g} at least, and {max_loss:g} is asked for",
            hint="Allow more loss, a shorter -c, or a quantized cache; or plan for more memory.",
        )
    return ways[place - 1]


def _border(
    ways: Sequence[Way], what: Literal["loss", "speed"], beyond: Callable[[float], bool]
) -> Generator[Measure, float, int]:
    """The place of the first way whose figure is *beyond*, or how many there are: found by halving."""
    low, high = 0, len(ways)
    while low < high:
        middle = (low + high) // 2
        if beyond((yield Measure(ways[middle], what))):
            high = middle
        else:
            low = middle + 1
    return low
