"""What models elsewhere cost: money a million tokens, in whatever money the user thinks in."""

from math import isfinite

from msgspec import Struct

from aidx.errors import InputError

_LONGEST = 40  # characters


class Price(Struct, frozen=True):
    """What a model costs, per million tokens in and out."""

    per_million_in: float
    per_million_out: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """The cost of one request."""
        return (tokens_in * self.per_million_in + tokens_out * self.per_million_out) / 1e6


FREE = Price(0.0, 0.0)  # a model of this machine


def parse_price(text: str) -> Price:
    """``IN/OUT``, such as ``3/15``: a million tokens read and written; one number stands for both.

    Raises:
        InputError: For anything else, negative amounts, infinity and NaN among it.
    """
    parts = text.split("/") if len(text) <= _LONGEST else []
    try:
        amounts = [float(part) for part in parts]
    except ValueError:
        amounts = []
    if not 1 <= len(amounts) <= 2 or not all(isfinite(amount) and amount >= 0 for amount in amounts):
        raise InputError(f"{text[:_LONGEST]!r} is no price a million tokens, such as 3/15", hint="Write IN/OUT.")
    return Price(amounts[0], amounts[-1])


def money(amount: float) -> str:
    """*amount* for people: up to six places, and what is less than the last of them never looks like nothing."""
    if 0 < amount < 1e-6:
        return "less than 0.000001"
    return f"{amount:.6f}".rstrip("0").rstrip(".")
