"""Texts of exactly so many tokens, whatever the tokenizer: cut, counted, and filled up piece by piece."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import count as numbers

Count = Callable[[str], Awaitable[int]]

ENDS = (" a", "\nx", " 1", "\n#", ".", "\n", " the", "(")  # pieces that most tokenizers take for one token
NEAR = 12  # tokens below the target at which filling up begins
LOOKS = 24  # counts that are made before it is given up


def source(number: int) -> Iterator[str]:
    """Lines of code without an end; two texts of different *number* have no beginning in common."""
    yield f"# part {number}\n"
    for line in numbers(1):
        yield f"def step_{number}_{line}(value, total={line}):\n    return total + value * {line}\n"


def least(lines: Iterator[str], size: int) -> str:
    """The first *size* characters of *lines*."""
    found: list[str] = []
    have = 0
    while have < size:
        found.append(next(lines))
        have += len(found[-1])
    return "".join(found)[:size]


async def exact(count: Count, target: int, number: int, before: str = "") -> str | None:
    """A text of which *count* says *target*, beginning with *before*; ``None`` where none was found.

    The text ends with a full stop, since templates may trim blanks.
    """
    lines = source(number)
    stock = least(lines, 64)
    size, low, high = max(1, target * 3), 0, -1
    for _ in range(LOOKS):
        while len(stock) < size:
            stock += next(lines)
        text = before + stock[:size].rstrip() + "."
        found = await count(text)
        if found == target:
            return text
        if found < target:
            low = max(low, size)
            if target - found <= NEAR:
                filled = await _filled(count, target, text, target - found)
                if filled is not None:
                    return filled
        else:
            high = size if high < 0 else min(high, size)
        size = _next(size, found, target, low, high)
        if size <= 0 or size == low:
            return None
    return None


def _next(size: int, found: int, target: int, low: int, high: int) -> int:
    """How many characters to try: by the tokens that were found, kept between what is too few and too many."""
    guess = size + int((target - found - NEAR // 2) * size / max(found, 1))
    if high < 0:
        return max(guess, low + 1)
    if low < guess < high:
        return guess
    return (low + high) // 2


async def _filled(count: Count, target: int, text: str, missing: int) -> str | None:
    """*text* with *missing* tokens more."""
    for piece in ENDS:
        more = text + piece * missing + "."
        found = await count(more)
        if found == target:
            return more
        if found == target + 1:  # the full stop is a token of its own
            fewer = text + piece * (missing - 1) + "."
            if await count(fewer) == target:
                return fewer
    return None
