"""The Verifier Cascade against its drafter alone, on edit tasks whose right answer is known to the letter.

    python benchmarks/cascade.py [--split development|test] [--tasks N] [--repairs 1] [--rows 3] [--json]

The tasks are the held-out edits of aidx-tiny, as many of each kind; two of the eleven kinds it was never taught. The
first 20 of a kind are for development: the rules were written while looking at them. The other 40 are the test, for
which nothing is changed any more. An answer is right when the function that results equals the expected one. Rules see
no expected answer: `patch` (the line edits apply, and what results is Python), and the check `names` (no name in the
edit that stands neither in the function nor in the instruction, and the new numbers and code of the instruction are
there). Three rows: the drafter alone; rules, with a verifier that accepts whatever passes them, which shows what the
rules are worth; and aidx-tiny itself as the verifier, which was never taught to judge. Intervals are Wilson's, of 95 %;
`fewer_wrong_p` is the chance of so many fewer wrong answers than the drafter alone gave on the same tasks, if the row
did nothing (exact, two-sided). No model that can judge ships with aidx: measure yours.
"""

import argparse
import ast
import asyncio
import builtins
import json
import keyword
import re
import time
from collections import Counter
from math import comb, sqrt

from aidx import wiring
from aidx.advise import plan
from aidx.errors import AidxError, CheckError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.gate.patterns import drive
from aidx.patterns import cascade, direct
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.rules import rules
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Ask, Command, Pattern, Ran, Said
from aidx.pipeline.edit import lines
from aidx.pipeline.edit.syntax import python_error
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.chat import Chat

TOKENS = 96
DEVELOPMENT = 20  # tasks of a kind that the rules were written on
Z = 1.959964
ROWS = ("drafter alone", "rules", "aidx-tiny as verifier")
NAME = re.compile(r"[A-Za-z_]\w*")
WANTED = re.compile(r"`([^`]+)`|\b(\d+)\b|\b(\w*_\w+)\b")  # code and numbers of an instruction
KNOWN = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | {"self", "cls"}


def accepting(pattern: Pattern) -> Pattern:
    """*pattern* with a verifier that accepts whatever it is shown: what is left then is what the rules do."""
    effect = next(pattern)
    while True:
        try:
            if isinstance(effect, Ask) and effect.purpose == "verdict":
                effect = pattern.send(Said('{"verdict":"accept"}'))
                continue
            try:
                result = yield effect
            except AidxError as error:
                effect = pattern.throw(error)
            else:
                effect = pattern.send(result)
        except StopIteration as stop:
            return stop.value


def tasks(split: str, most: int) -> list[dict]:
    """Those of *split*, as many of each kind, in the order of the file."""
    found = json.loads(wiring.held_out_tasks())
    kinds = Counter(task["kind"] for task in found)
    first = 0 if split == "development" else DEVELOPMENT
    last = DEVELOPMENT if split == "development" else len(found)
    last = min(last, first + most // len(kinds))
    seen: Counter = Counter()
    chosen = []
    for task in found:
        if first <= seen[task["kind"]] < last:
            chosen.append(task)
        seen[task["kind"]] += 1
    return chosen


def interval(hits: int, of: int) -> list[float]:
    """Wilson's interval of a share, in percent."""
    if not of:
        return [0.0, 100.0]
    middle, spread = hits / of + Z * Z / 2 / of, Z * sqrt(hits * (of - hits) / of**3 + Z * Z / 4 / of**2)
    return [round(100 * (middle + sign * spread) / (1 + Z * Z / of), 1) for sign in (-1, 1)]


def fewer(before: list[str], after: list[str]) -> float:
    """McNemar's exact test of how often only one of the two was wrong."""
    pairs = list(zip(before, after, strict=True))
    mended = sum(one == "wrong" != other for one, other in pairs)
    broken = sum(other == "wrong" != one for one, other in pairs)
    total = mended + broken
    return min(1.0, 2 * sum(comb(total, count) for count in range(min(mended, broken) + 1)) / 2**total)


def edited(task: dict, answer: str) -> str | None:
    """The function after the edits of *answer*; ``None`` where they cannot be applied."""
    try:
        return lines.apply(task["source"], answer)
    except CheckError:
        return None


def judged(task: dict, command: Command) -> Ran:
    """What the rules' commands say of an answer to *task*."""
    after = edited(task, command.text)
    if command.name != "names":
        wrong = "the line edits cannot be applied" if after is None else python_error(after)
        return Ran(0 if wrong is None else 1, wrong or "")
    given = {*NAME.findall(task["source"]), *NAME.findall(task["instruction"]), *KNOWN}
    if after is None or python_error(after) is not None:
        return Ran(0)
    names = {node.id for node in ast.walk(ast.parse(after)) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(ast.parse(after)) if isinstance(node, ast.arg)}
    if foreign := sorted(names - given):
        return Ran(1, f"these names stand nowhere: {', '.join(foreign)}")
    wanted = {found for group in WANTED.findall(task["instruction"]) for found in group if found}
    missing = [word for word in wanted if word not in task["source"] and word not in after]
    return Ran(1, f"the instruction wants {', '.join(missing)}, and it is not there") if missing else Ran(0)


async def answered(task: dict, pattern: Pattern, gates: dict[str, Gate]) -> tuple[str, int, int]:
    """``right``, ``wrong`` or ``refused``; the tokens of all models, and how often one wrote an answer."""

    async def runner(command: Command) -> Ran:
        return judged(task, command)

    try:
        found = await drive(pattern, gates, runner)
    except cascade.NotVerifiedError as refused:
        tokens = sum(step["prompt_tokens"] + step["completion_tokens"] for step in refused.trail)
        return "refused", tokens, sum(step["purpose"] != "verdict" for step in refused.trail)
    except AidxError:
        return "failed", 0, 0
    became = "right" if edited(task, found.text) == task["edited"] else "wrong"
    return became, found.prompt_tokens + found.completion_tokens, found.attempts


async def measured(chat: Chat, limits: Limits, chosen: list[dict], repairs: int, rows: int) -> dict:
    """Each row over all tasks."""
    gates = {role: Gate(limits, time.monotonic) for role in ("drafter", "verifier")}
    for gate in gates.values():
        gate.attach(chat)
    terms = Terms(role="drafter", roles=frozenset(gates), rules=rules(["patch", "check names"]), repairs=repairs)
    result: dict[str, dict] = {}
    alone: list[str] = []
    for row in ROWS[:rows]:
        became_of: list[str] = []
        spent = written = 0
        began = time.perf_counter()
        for task in chosen:
            text = f"{task['instruction']}\n\n{lines.number(task['source'])}"
            prompt = Prompt((Turn.of("user", text),), fields=b'"temperature":0', max_tokens=TOKENS)
            pattern = direct.answer(prompt, terms) if row == ROWS[0] else cascade.answer(prompt, terms)
            pattern = accepting(pattern) if row == "rules" else pattern
            became, tokens, attempts = await answered(task, pattern, gates)
            became_of.append(became)
            spent += tokens
            written += attempts
        total, counts = len(chosen), Counter(became_of)
        alone = alone or became_of
        accepted = counts["right"] + counts["wrong"]
        result[row] = {
            "accepted_right": counts["right"],
            "right_of_all_ci95": interval(counts["right"], total),
            "accepted_wrong": counts["wrong"],
            "wrong_of_all_ci95": interval(counts["wrong"], total),
            "not_accepted": counts["refused"],
            "failed": counts["failed"],
            "wrong_of_accepted_percent": round(100 * counts["wrong"] / max(accepted, 1), 1),
            "wrong_of_accepted_ci95": interval(counts["wrong"], accepted),
            "fewer_wrong_p": fewer(alone, became_of),
            "tokens_per_task": round(spent / total, 1),
            "answers_per_task": round(written / total, 2),
            "ms_per_task": round((time.perf_counter() - began) * 1e3 / total, 1),
        }
    return result


def main() -> None:
    """Ask all tasks in each way, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=["development", "test"], default="development")
    parser.add_argument("--tasks", type=int, default=440)
    parser.add_argument("--repairs", type=int, default=1)
    parser.add_argument("--rows", type=int, default=len(ROWS), help="the first so many of the three")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = tasks(options.split, options.tasks)
    found = wiring.resolve("aidx-tiny")
    planned = plan(found.model, Need(ctx_size=1024), wiring.machine(Wish(vram=(0,))))
    deployment = wiring.start(planned)
    try:
        result = asyncio.run(measured(deployment.chat(), wiring.limits(planned), chosen, options.repairs, options.rows))
    finally:
        deployment.stop()
    if options.json:
        print(json.dumps({"split": options.split, "tasks": len(chosen), **result}))
        return
    print(f"{len(chosen)} tasks for {options.split}")
    for row, figures in result.items():
        print(row)
        for name, value in figures.items():
            print(f"  {name:26} {value}")


if __name__ == "__main__":
    main()
