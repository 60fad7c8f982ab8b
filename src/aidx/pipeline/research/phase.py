"""The first phase of a run: the files that the task names, and what the index proposes beside them."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from aidx.errors import BudgetError, InputError
from aidx.pipeline.context.architect import named, readable
from aidx.pipeline.effects import Ask, Counted, Effect, Find, ask, count, read, tell
from aidx.pipeline.research.choose import (
    PROPOSED,
    TAKEN,
    Candidate,
    Choice,
    choice_prompt,
    choice_schema,
    chosen,
)
from aidx.ports.workspace import RefusedPathError

ATTEMPTS = 3  # the answer, and two repairs with what is wrong
ROLE = "researcher"


def research(task: str, *, researcher: bool = False) -> Generator[Effect, Any, dict[str, str]]:
    """What the Architect is shown, by name: files that *task* names, then parts of others, the best first.

    With *researcher* a model chooses among the proposals of the index, otherwise the best ones are taken.
    """
    files, candidates = yield from _proposed(task)
    choices = (yield from _asked(task, candidates)) if researcher and candidates else None
    return (yield from _taken(files, candidates, choices))


def foreseen(task: str, *, researcher: bool = False) -> Generator[Effect, Any, tuple[dict[str, str], Counted | None]]:
    """What ``research`` finds where nobody is asked, and the size of what the *researcher* would be."""
    files, candidates = yield from _proposed(task)
    counted = (yield from _fitting(task, candidates))[1] if researcher and candidates else None
    return (yield from _taken(files, candidates, None)), counted


def _proposed(task: str) -> Generator[Effect, Any, tuple[dict[str, str], tuple[Candidate, ...]]]:
    files = yield from _named(task)
    candidates: tuple[Candidate, ...] = yield Find(task, PROPOSED)
    return files, tuple(each for each in candidates if each.target.partition("::")[0] not in files)


def _taken(
    files: Mapping[str, str], candidates: Sequence[Candidate], choices: Sequence[Choice] | None
) -> Generator[Effect, Any, dict[str, str]]:
    """*files* and what was chosen, else the first proposals."""
    found = dict(files)
    if choices is None:
        choices = tuple(Choice(number, "; ".join(each.why)) for number, each in enumerate(candidates[:TAKEN], 1))
    for number, reason in choices:
        each = candidates[number - 1]
        found[each.title] = each.text
        yield from tell(f"research: {each.title}, {'' if each.exact else 'about '}{each.tokens} tokens: {reason}")
    return found


def _named(task: str) -> Generator[Effect, Any, dict[str, str]]:
    files: dict[str, str] = {}
    for path in named(task):
        try:
            files |= readable((yield from read(path)))
        except RefusedPathError:
            yield from tell(f"research: {path} is not read: it is no regular file below the root")
    names = ", ".join(files) or "none: the task names no file of the tree"
    yield from tell(f"research: files named in the task: {names}")
    return files


def _asked(task: str, candidates: Sequence[Candidate]) -> Generator[Effect, Any, tuple[Choice, ...] | None]:
    """What the researcher chooses; ``None`` where it cannot: that is said, and the ranking decides."""
    shown, _ = yield from _fitting(task, candidates)
    objection = ""
    for number in range(1, ATTEMPTS + 1 if shown else 1):
        prompt = choice_prompt(task, shown, objection)
        try:
            answer = yield from ask(Ask("research", ROLE, prompt, number, choice_schema(len(shown))))
        except BudgetError:
            if not objection:
                raise
            break  # what was wrong with the last answer has no room beside the candidates
        try:
            return chosen(answer, len(shown))
        except InputError as wrong:
            objection = str(wrong)
            yield from tell(f"research: answer {number} is not taken: {objection}")
    yield from tell(f"research: the researcher chose nothing; the first {TAKEN} proposals of the index are taken")
    return None


def _fitting(
    task: str, candidates: Sequence[Candidate]
) -> Generator[Effect, Any, tuple[Sequence[Candidate], Counted | None]]:
    """As many of the first *candidates* as the researcher's gate has room for, and their size; others are named."""
    kept, counted = candidates, None
    while kept:
        (counted,) = yield from count("research", ROLE, choice_prompt(task, kept))
        if counted.fits:
            break
        kept = kept[: len(kept) * counted.gate // max(counted.tokens, counted.gate + 1)]
    if left := candidates[len(kept) :]:
        names = ", ".join(each.target for each in left)
        yield from tell(f"research: not shown to the researcher, over its gate: {names}")
    return kept, counted if kept else None
