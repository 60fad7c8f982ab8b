"""How memory grew from turn to turn: a straight line through the measurements, and how sure it is."""

from collections.abc import Sequence
from math import sqrt

from aidx.budget.proof import Slope

# Student's t, two-sided 95 %, by degrees of freedom (any table of it); between two rows the larger value is taken.
_T = ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (6, 2.447), (8, 2.306), (10, 2.228), (15, 2.131))
_T_MORE = ((20, 2.086), (30, 2.042), (60, 2.0), (120, 1.98))
WARM = 2  # the first half of the turns is left out: pools and arenas fill up once


def slope(sizes: Sequence[int]) -> Slope | None:
    """The least-squares line through *sizes*, bytes after each turn, without the first half of them.

    ``None`` for fewer than three points. The interval takes the points for independent; memory that is given back
    now and then makes it wider.
    """
    kept = sizes[len(sizes) // WARM :]
    count = len(kept)
    if count < 3:
        return None
    middle, mean = (count - 1) / 2, sum(kept) / count
    spread = sum((turn - middle) ** 2 for turn in range(count))
    steep = sum((turn - middle) * (size - mean) for turn, size in enumerate(kept)) / spread
    left = sum((size - mean - steep * (turn - middle)) ** 2 for turn, size in enumerate(kept))
    wide = _quantile(count - 2) * sqrt(left / (count - 2) / spread)
    return Slope(steep, steep - wide, steep + wide, count)


def _quantile(freedom: int) -> float:
    return next(value for least, value in reversed((*_T, *_T_MORE)) if least <= freedom)
