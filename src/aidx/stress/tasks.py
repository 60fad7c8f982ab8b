"""Small tasks with one right answer of four, made from a seed: as many as wanted, and nobody was trained on them.

Three kinds, each of which needs what an editing model needs: to carry a value through code, to tell the hunk that does
what was asked, to apply an edit. An answer is chosen by likelihood, so that a model that cannot follow a format is
measured all the same.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

Pick = Callable[[int], int]
OPTIONS: Final = 4
_NAMES: Final = (
    "count",
    "total",
    "width",
    "height",
    "index",
    "limit",
    "offset",
    "price",
    "rate",
    "size",
    "start",
    "step",
)
_VERBS: Final = ("load", "save", "read", "write", "send", "check", "merge", "split", "parse", "format")
_THINGS: Final = ("table", "report", "order", "record", "page", "message", "user", "invoice", "label", "config")


class Task(NamedTuple):
    """Text to read, *options* that may follow it, and the place of the *right* one."""

    kind: str
    prompt: str
    options: tuple[str, ...]
    right: int


def tasks(count: int, pick: Pick) -> tuple[Task, ...]:
    """*count* tasks, the kinds in turn."""
    makers = (_predict, _choose, _apply)
    return tuple(makers[number % len(makers)](pick) for number in range(count))


def _predict(pick: Pick) -> Task:
    """The value that a short program prints."""
    one, other = _two(_NAMES, pick)
    first, second, factor = 2 + pick(9), 2 + pick(9), 2 + pick(4)
    value = (first + second) * factor
    wrong = (value + factor, first + second * factor, value - second)
    program = f"{one} = {first}\n{other} = {one} + {second}\n{one} = {other} * {factor}\nprint({one})"
    return _task("predict", f"{program}\n\n# prints ", [str(value), *map(str, wrong)], pick)


def _choose(pick: Pick) -> Task:
    """The hunk that adds a parameter with a default, out of four."""
    verb, thing = _VERBS[pick(len(_VERBS))], _THINGS[pick(len(_THINGS))]
    name, other = _two(_NAMES, pick)
    value = 1 + pick(90)
    old = f"def {verb}_{thing}({other}):"
    head = f"Add a parameter {name} with default {value}.\n\n-{old}\n+"
    right = f"def {verb}_{thing}({other}, {name}={value}):"
    wrong = (
        f"def {verb}_{thing}({other}, {name}={value + 1}):",
        f"def {verb}_{thing}({name}, {other}={value}):",
        f"def {verb}_{name}({other}, {thing}={value}):",
    )
    return _task("choose", head, [right, *wrong], pick)


def _apply(pick: Pick) -> Task:
    """The line that results when a name is replaced."""
    old, new = _two(_NAMES, pick)
    third = next(name for name in _NAMES if name not in {old, new})
    verb, thing = _VERBS[pick(len(_VERBS))], _THINGS[pick(len(_THINGS))]
    value = 1 + pick(90)
    line = f"{thing} = {verb}({old}, {third}) + {value}"
    head = f"Rename the variable {old} to {new}.\n\n-{line}\n+"
    wrong = (
        f"{thing} = {verb}({old}, {new}) + {value}",
        f"{thing} = {verb}({new}, {old}) + {value}",
        f"{thing} = {verb}({third}, {new}) + {value}",
    )
    return _task("apply", head, [f"{thing} = {verb}({new}, {third}) + {value}", *wrong], pick)


def _task(kind: str, prompt: str, options: Sequence[str], pick: Pick) -> Task:
    """*options* with the right one first become a task with it anywhere; options are all different."""
    different = list(dict.fromkeys(options))
    spare = (str(number) for number in range(1, 1000))
    while len(different) < OPTIONS:
        different += [more for more in [next(spare)] if more not in different]
    right = pick(OPTIONS)
    rest = different[1:OPTIONS]
    return Task(kind, prompt, (*rest[:right], different[0], *rest[right:]), right)


def _two(names: Sequence[str], pick: Pick) -> tuple[str, str]:
    one = pick(len(names))
    return names[one], names[(one + 1 + pick(len(names) - 1)) % len(names)]
