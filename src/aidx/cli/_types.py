"""How the command line reads sizes, contexts and layer counts."""

from math import isfinite
from typing import Any

import click

from aidx.budget.sizes import parse_size
from aidx.errors import InputError

_LONGEST = 32  # characters of a number


class Size(click.ParamType[int]):
    """A memory size such as ``12GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's own signature
        """Bytes; ``InputError`` names what is wrong with the text."""
        del param, ctx
        size = value if isinstance(value, int) else parse_size(str(value))
        if 0 < size < 1 << 20:
            raise InputError(f"{value} is {size} bytes, no size of a device", hint="Give a unit, say 12GiB or 512M.")
        return size


class WordOrNumber(click.ParamType[int | str]):
    """A whole number or one of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.name = "|".join(("N", *words))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ANN401 - click's own signature
        """The number, or the word."""
        if isinstance(value, int) or value in self.words:
            return value  # type: ignore[no-any-return]
        found = _whole(value)
        if found is None:
            self.fail(f"{value[:_LONGEST]!r} is neither a whole number nor {' nor '.join(self.words)}", param, ctx)
        return found

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The words as they are typed: click would write them large."""
        del param, ctx
        return self.name


class Whole(click.ParamType[int]):
    """A whole number in ASCII digits: ``int`` takes other scripts and underscores as well."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's own signature
        """The number."""
        found = value if isinstance(value, int) else _whole(value)
        if found is None:
            self.fail(f"{value[:_LONGEST]!r} is no whole number", param, ctx)
        return found


def _whole(text: str) -> int | None:
    digits = text[1:] if text[:1] in {"-", "+"} else text
    return int(text) if digits.isascii() and digits.isdigit() and len(text) <= _LONGEST else None


class Switch(click.ParamType[bool]):
    """``on`` or ``off``."""

    name = "on|off"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As it is typed: click would write it large."""
        del param, ctx
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ANN401 - click's own signature
        """True for on."""
        if isinstance(value, bool):
            return value
        if value not in {"on", "off"}:
            self.fail(f"{value!r} is neither on nor off", param, ctx)
        return bool(value == "on")


class Parts(click.ParamType[tuple[float, ...]]):
    """Parts of a whole, ``3,1``; llama.cpp takes ``3/1`` too."""

    name = "N0,N1,…"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).replace("/", ",").split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 3,1", param, ctx)


def size_text(size: int) -> str:
    """*size* as a person would type it: in the largest unit that divides it."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size and not size % step:
            return f"{size // step}{unit}"
    return str(size)


class Variable(click.ParamType[str]):
    """The name of a variable that holds a key. Who puts the key itself there does not see it again."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own signature
        """The name; a usage error for any other text, which does not repeat it."""
        from aidx.config.values import variable_name

        try:
            return variable_name(str(value))
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


class Bounded(click.FloatRange):
    """A number from 0 up; not one that is none, nor one without end."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's own signature
        """The number; a usage error for any other text."""
        found = float(super().convert(value, param, ctx))
        if not isfinite(found):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return found
