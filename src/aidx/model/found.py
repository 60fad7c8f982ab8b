"""A MODEL as it is asked for, and as it is found."""

from collections.abc import Callable

from msgspec import Struct

from aidx.model.spec import ModelSpec


class Wanted(Struct, frozen=True):
    """A MODEL as it was typed, and what was asked for beside it."""

    reference: str
    quant: str | None = None
    imatrix: bool = False


class Resolved(Struct, frozen=True):
    """A model, and how to have it at another quantization where that is possible.

    *notes* are lines that a plan of it must show: what comes with it and is not counted.
    """

    model: ModelSpec
    variant: Callable[[str], ModelSpec] | None = None
    notes: tuple[str, ...] = ()
