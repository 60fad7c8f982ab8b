"""Deterministic checks of an answer, one file each; found by scanning, named in ``[cascade] rules``.

A rule is written as its name, a blank, and what it is told: ``max-length 4000``, ``matches ^feat``. Each module has
``NAME``, ``TAKES`` (what it is told, in words) and ``rule(told)``, which raises ``InputError`` for what it cannot take.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from aidx.errors import InputError
from aidx.patterns.vocabulary import Steps

Objection = Callable[[str], str | None]


class Rule(NamedTuple):
    """*judge* is told an answer and says what is wrong with it, in words that a model can act on, or ``None``."""

    name: str
    judge: Callable[[str], Steps[str | None]]


def pure(name: str, objection: Objection) -> Rule:
    """A rule that needs nothing but the answer."""

    def judge(text: str) -> Steps[str | None]:
        yield from ()
        return objection(text)

    return Rule(name, judge)


def names() -> dict[str, str]:
    """The names of all rules, and what each takes."""
    found = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {module.NAME: module.TAKES for module in found}


def rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """The rules that *lines* name; raises ``InputError`` for one that is not known or is told nonsense."""
    return tuple(_rule(line) for line in lines)


def _rule(line: str) -> Rule:
    name, _, told = line.strip().partition(" ")
    module = name.replace("-", "_")
    known = names()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
        raise InputError(f"there is no rule {name!r}", hint=hint)
    try:
        made: Rule = import_module(f"{__name__}.{module}").rule(told.strip())
    except InputError as wrong:
        raise InputError(f"rule {name!r}: {wrong}", hint=wrong.hint or f"It takes {known[name]}.") from None
    return made


def held_against(told: tuple[Rule, ...], text: str) -> Steps[tuple[str, ...]]:
    """What *told* have against *text*, each with the name of its rule."""
    reasons: tuple[str, ...] = ()
    for rule in told:
        if wrong := (yield from rule.judge(text)):
            reasons = (*reasons, f"{rule.name}: {wrong}")
    return reasons
