"""Measures what a file lost: text goes through it and through its reference, token by token compared."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from aidx.budget.divergence import Scored, first_scored, windows
from aidx.budget.fingerprint import DRAWN, TOP, About, Fingerprint, Row, compared, row
from aidx.budget.paired import Pair
from aidx.errors import InputError
from aidx.ports.logits import Logits
from aidx.stress.tasks import Task

Tell = Callable[[int, int], object]
"""Is handed how many of how many windows are done."""

LEAST_WINDOWS = 2


class Reading(Struct, frozen=True):
    """The *text* to read, in windows of *window* tokens, at most *most* of them."""

    text: str
    window: int = 512
    most: int | None = None


def cut(logits: Logits, reading: Reading) -> tuple[tuple[int, ...], ...]:
    """The windows of the text; ``InputError`` for a text that is too short and for models of different vocabularies."""
    tokens, bos, same = logits.tokenize(reading.text)
    if not same:
        raise InputError(
            "the model and its reference have different vocabularies, so that nothing can be compared",
            hint="Name the F16 or BF16 file of the same model as --reference.",
        )
    found = windows(tokens, reading.window, bos, reading.most)
    if len(found) < LEAST_WINDOWS:
        raise InputError(
            f"the text has {len(tokens)} tokens, and {LEAST_WINDOWS} windows of {reading.window} are the least",
            hint="Give a longer --text, or a smaller -c.",
        )
    return found


def against_model(logits: Logits, reading: Reading, tell: Tell) -> list[Scored]:
    """The measured model (side 0) against the reference (side 1)."""
    found = cut(logits, reading)
    scored: list[Scored] = []
    for number, window in enumerate(found, start=1):
        scored += logits.compare(window, first_scored(reading.window))
        tell(number, len(found))
    return scored


def against_fingerprint(logits: Logits, reference: Fingerprint, tell: Tell) -> list[Scored]:
    """The measured model against a fingerprint of another; divergences are estimates, with lower bounds beside them."""
    about = reference.about
    scored: list[Scored] = []
    rows = iter(reference.rows)
    for number, window in enumerate(reference.windows, start=1):
        first = first_scored(about.window)
        here: Sequence[Row] = [next(rows) for _ in range(about.window - 1 - first)]
        seen = logits.look(window, first, [(*each.ids, *each.drawn) for each in here])
        scored += [compared(each, nll, best, shares) for each, (nll, best, shares) in zip(here, seen, strict=True)]
        tell(number, len(reference.windows))
    return scored


def fingerprint(
    logits: Logits, reading: Reading, about: Callable[[int], About], tell: Tell, chance: Callable[[], float]
) -> Fingerprint:
    """The fingerprint of side 0; *about* is handed how many windows there are, *chance* numbers from 0 to 1."""
    found = cut(logits, reading)
    first = first_scored(reading.window)
    rows: list[Row] = []
    for number, window in enumerate(found, start=1):
        draws = [[chance() for _ in range(DRAWN)] for _ in range(len(window) - 1 - first)]
        rows += [row(each) for each in logits.top(window, first, TOP, draws)]
        tell(number, len(found))
    return Fingerprint(about(len(found)), found, tuple(rows))


def on_tasks(logits: Logits, made: Sequence[Task], tell: Tell) -> list[Pair]:
    """Both sides at the same tasks: each takes the likeliest option."""
    pairs = []
    for number, task in enumerate(made, start=1):
        mine, theirs = (_answer(logits, task, side) for side in (0, 1))
        pairs.append(Pair(mine == task.right, theirs == task.right, mine == theirs))
        tell(number, len(made))
    return pairs


def _answer(logits: Logits, task: Task, side: int) -> int:
    prompt, bos, _ = logits.tokenize(task.prompt)
    before = prompt if bos is None else [bos, *prompt]
    costs = []
    for option in task.options:
        following, _, _ = logits.tokenize(option)
        costs.append(sum(logits.score([*before, *following], len(before) - 1, side)))
    return costs.index(min(costs))
