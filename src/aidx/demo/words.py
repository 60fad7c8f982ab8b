"""The tour as lines for a terminal; one function a scene."""

from collections.abc import Mapping, Sequence

from aidx.budget.compare import Difference
from aidx.budget.sizes import gib
from aidx.demo.task import Task, shown
from aidx.page.bar import balance, bar, legend
from aidx.page.figures import grouped
from aidx.page.groups import LABELS
from aidx.page.picture import extent
from aidx.page.story import Budget, Carried, Edit, Refusal, Running
from aidx.pipeline.checks import telling

INDENT = "  "
NAME = 8
CELLS = 48


def budget_lines(budget: Budget, *, plain: bool = False) -> list[str]:
    """The bars of the card, then the article's table beside the exact one; *plain* is ASCII only."""
    role = next(iter(budget.plans.values())).roles[0]
    cards = {name: plan.ledger.accounts[0] for name, plan in budget.plans.items()}
    scale = max(map(extent, cards.values()))
    bars = [f"  {'article':<{NAME}}{bar(budget.stated, CELLS, plain=plain, scale=scale)}"]
    bars += [
        f"  {name:<{NAME}}{bar(card, CELLS, plain=plain, scale=scale):<{CELLS + 1}}  {balance(card)}"
        for name, card in cards.items()
    ]
    rows = [f"  {row.component:<28}{gib(row.stated):>11}{gib(row.exact):>11}  {row.verdict}" for row in budget.table]
    return [
        f"1. A {gib(budget.stated.total)} card: {role.model.name}, {grouped(role.settings.ctx_size)} tokens of context",
        "",
        *bars,
        "",
        f"  {'':<28}{'article':>11}{'exact':>11}  the article's figure",
        *rows,
    ]


def running_lines(running: Running, *, plain: bool = False) -> list[str]:
    """The small model's plan and, entry by entry, what the engine took."""
    name = running.plan.roles[0].model.name
    account = running.plan.ledger.account("host")
    verdict = "it took what was planned" if running.holds else "it did NOT take what was planned"
    return [
        f"2. {name} on this machine: planned, started with {running.build}, compared",
        "",
        f"  {bar(account, CELLS, plain=plain)}  {balance(account)}",
        f"  {legend(account, plain=plain)}",
        "",
        f"  {'bytes':<24}{'planned':>14}{'allocated':>14}{'difference':>12}",
        *(_compared(row) for row in running.differences),
        "",
        f"  {verdict}; the engine's log rounds to 0.01 MiB. Its process holds {gib(running.resident)}.",
    ]


def _compared(row: Difference) -> str:
    name = f"{row.device} {LABELS[row.what]}"
    mark = "ok" if row.holds else "NOT AS PLANNED"
    return f"  {name:<24}{grouped(row.planned):>14}{grouped(row.allocated):>14}{row.bytes:>+12,}  {mark}"


def task_lines(task: Task) -> list[str]:
    """What the model is asked; its answer streams below."""
    return [
        "3. Real work: an edit of code it was not trained on",
        "",
        f"  {task.file}",
        "",
        *_indented(shown(task).split("\n")),
        "",
        "  the model answers:",
    ]


def edit_lines(edit: Edit) -> list[str]:
    """What the answer changed."""
    if edit.refused is not None:
        return ["", f"  refused: {edit.refused}"]
    verdict = "exactly the edit that was asked for" if edit.as_expected else "NOT the edit that was asked for"
    return ["", *_indented(edit.diff), "", f"  {verdict}"]


def refusal_lines(refusal: Refusal) -> list[str]:
    """The refusal with its numbers."""
    return [
        "4. A prompt over the gate",
        "",
        f"  refused: {refusal.message}",
        f"  {_numbers(refusal.numbers)}; not a token of it was computed",
    ]


def stage_lines() -> list[str]:
    """What the last scene is about."""
    return ["5. aidx run: two plans, written by hand, in a scratch repository; aidx-tiny edits, tests judge", ""]


def carried_lines(run: Carried) -> list[str]:
    """A plan's steps, what the Editor was shown of them, the change, and what the checks made of it."""
    most = max((request.prompt_tokens for request in run.requests), default=0)
    gate = max((request.gate for request in run.requests), default=0)
    count = f"{len(run.requests)} request{'s' if len(run.requests) != 1 else ''}"
    asked = f"{count} of at most {most} prompt tokens (gate {gate})"
    return [
        f"  # Plan: {run.title}",
        *(f"  {number}. {step}" for number, step in enumerate(run.steps, 1)),
        f"  {asked}; KV cache {grouped(run.kv_bytes)} B",
        "",
        *_indented(run.diff),
        "",
        *(f"  {line}" for line in _verdict(run)),
    ]


def _verdict(run: Carried) -> list[str]:
    checks = " and ".join(run.checks)
    if run.status == "done":
        commit = "" if run.commit is None else f"; commit {run.commit[:7]}"
        return [f"checks passed: {checks}{commit}"]
    said = telling(run.objection).partition(" (")[0]
    tree = "every file is as it was before" if run.as_before else "THE TREE IS NOT AS BEFORE"
    return [f"the checks say: {said}", f"that was tried and taken back: {tree}"]


def _numbers(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"{INDENT}{line}".rstrip() for line in lines]
