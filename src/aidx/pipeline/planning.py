"""The Architect's phase: as much as its gate has room for, and a plan or questions from its answers."""

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any

from aidx.pipeline.artifact.parse import PlanError, found_in, parse
from aidx.pipeline.artifact.plan import ChangePlan
from aidx.pipeline.context.architect import architect_prompt
from aidx.pipeline.context.prompt import Prompt
from aidx.pipeline.effects import Ask, Effect, ask, count, guard, read_planned, tell
from aidx.pipeline.ending import BlockedError, LintError, TooLongError, countable, numbered
from aidx.pipeline.lint import lint

ARCHITECT = "architect"
Beside = tuple[tuple[str, int], ...]
ATTEMPTS = 3  # the answer, and two repairs with what is wrong


def shown(
    task: str, files: Mapping[str, str], left_out: Sequence[str], checks: Collection[str], note: str = ""
) -> Prompt:
    """The request for a plan; *note* is what was wrong with the last answer."""
    return architect_prompt(task, files, left_out, sorted(checks), note)


def within_gate(
    task: str, files: Mapping[str, str], checks: Collection[str], role: str = ARCHITECT, beside: Beside = ()
) -> Generator[Effect, Any, tuple[dict[str, str], tuple[str, ...]]]:
    """Those of *files* that the gate of *role* has room for, in order, and the names of the rest; see ``Count``."""
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for path, text in files.items():
        prompt = shown(task, {**kept, path: text}, left_out, checks)
        (counted,) = yield from count("plan", role, prompt, beside=beside)
        if counted.fits:
            kept[path] = text
        else:
            left_out.append(path)
            yield from tell(f"plan: {path} is left out: {counted.size}, and the gate is {counted.gate}")
    while kept and left_out:  # the names of those that came last take room, too
        (counted,) = yield from count("plan", role, shown(task, kept, left_out, checks), beside=beside)
        if counted.fits:
            break
        path, _ = kept.popitem()
        left_out.append(path)
        yield from tell(f"plan: {path} is left out: {counted.size}, and the gate is {counted.gate}")
    return kept, tuple(left_out)


def first_prompt(task: str, files: Mapping[str, str], checks: Collection[str]) -> Generator[Effect, Any, Prompt]:
    """What the Architect would be sent first; raises ``TooLongError`` where even the task alone is over its gate."""
    kept, left_out = yield from within_gate(task, files, checks)
    prompt = shown(task, kept, left_out, checks)
    (counted,) = yield from count("plan", ARCHITECT, prompt)
    if not counted.fits:
        raise TooLongError(
            f"the task takes {counted.size} of the Architect's gate of {counted.gate}",
            hint=countable(ARCHITECT)
            if counted.precision == "bound"
            else "Make TASK shorter, or give the architect a larger ctx_size, at most what its model was trained for.",
        )
    return prompt


def planned(task: str, files: Mapping[str, str], checks: Collection[str]) -> Generator[Effect, Any, ChangePlan]:
    """The Architect's plan for *task*.

    Raises ``BlockedError`` with its questions, and ``LintError`` where three answers hold no plan for this tree.
    """
    kept, left_out = yield from within_gate(task, files, checks)
    problems: list[str] = []
    for number in range(1, ATTEMPTS + 1):
        note = "Your last answer was not taken:\n" + "\n".join(problems) if problems else ""
        answer = yield from ask(Ask("plan", ARCHITECT, shown(task, kept, left_out, checks, note), number))
        plan, problems = plan_in(answer)
        if plan is not None:
            problems = yield from unfit(plan, checks)
            if not problems:
                return plan
        yield from tell(f"plan: answer {number} is not taken: {problems[0]}")
    raise LintError(
        f"the Architect gave no plan in {ATTEMPTS} answers: {problems[0]}",
        hint="Say more in TASK, write the plan yourself (--plan), or use a stronger architect.",
    )


def worth_keeping(asked: Ask, answer: str) -> str:
    """What of the *answer* to *asked* is kept, and used: of one that holds a plan, the plan."""
    return answer if asked.phase != "plan" or asked.schema is not None else found_in(answer) or answer


def plan_in(answer: str) -> tuple[ChangePlan | None, list[str]]:
    """The plan in *answer*, or what is wrong with it; raises ``BlockedError`` where it asks instead."""
    text = found_in(answer)
    if text is None:
        if questions := _questions(answer):
            raise BlockedError(
                f"the Architect asks: {numbered(questions)}",
                hint="Answer in TASK and run again.",
            )
        return None, ["there is no line that begins with '# Plan: '"]
    try:
        return parse(text), []
    except PlanError as error:
        return None, [f"line {problem.line} of the plan: {problem.text}" for problem in error.problems]


def unfit(plan: ChangePlan, checks: Collection[str]) -> Generator[Effect, Any, list[str]]:
    """What speaks against *plan* in this tree."""
    try:
        tree = yield from read_planned(*(file.path for file in plan.files))
    except LintError as error:
        return [str(error)]
    closed = yield from guard(*plan.changed)
    return [finding.text for finding in lint(plan, tree, checks, closed)]


def _questions(answer: str) -> list[str]:
    return [line.strip(" -*") for line in answer.splitlines() if line.strip(" -*").endswith("?")]
