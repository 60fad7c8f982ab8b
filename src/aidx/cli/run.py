"""``aidx run``: a task becomes a plan, and a plan becomes a changed tree, or nothing."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._endings import end_as_interrupted
from aidx.cli._options import common, settings
from aidx.errors import EngineError, InputError

if TYPE_CHECKING:
    from aidx.cli._crew import Crew
    from aidx.config.merge import Settled
    from aidx.errors import AidxError
    from aidx.pipeline.contract import Finished
    from aidx.pipeline.flow import Order
    from aidx.plan.devices import Machine
    from aidx.ports.workspace import Records, Workspace

UNTIL = ("research", "plan", "preflight", "edit", "check")
ORDER, DONE = "run.json", "done.json"  # files of a run
ESTIMATED = " (estimated)"  # of tokens that nobody here can count
MOST_PLAN = 1 << 20  # bytes: a plan is read by people, too


@click.command()
@click.argument("task", required=False)
@click.option("--plan", "plan_file", type=click.Path(), help="A plan.md of your own: no architect is asked.")
@click.option("--root", default=".", show_default=True, type=click.Path(), help="Folder to work in.")
@click.option("--until", type=click.Choice(UNTIL), help="Last phase; go on later with --resume.")
@click.option("--resume", metavar="ID", help="Go on with a run where it stopped, or was killed.")
@click.option("--dry-run", is_flag=True, help="Show every context with its size and cost; send and write nothing.")
@click.option("--yes", is_flag=True, help="Agree to the plan without being asked.")
@click.option("--commit", is_flag=True, help="Commit the plan's files with the plan's message.")
@common
def command(
    task: str | None,
    plan_file: str | None,
    root: str,
    until: str | None,
    resume: str | None,
    *,
    dry_run: bool,
    yes: bool,
    commit: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Carry out TASK: plan it, check the plan, let the Editor make the edits one by one, check the result.

    The Editor sees one step at a time and no conversation. Only files that the plan names are changed, all of
    them or none, and only after a person, or --yes, agreed. A check that fails puts the tree back as it was.
    """
    del verbose
    if resume is not None and (task, plan_file) != (None, None):
        raise InputError("--resume goes on with a run that has its task", hint="Leave TASK and --plan out.")
    if resume is not None and dry_run:
        raise InputError("--resume and --dry-run contradict each other", hint="Keep one of them.")
    from contextlib import closing, nullcontext

    from aidx import wiring
    from aidx.cli._crew import Crew

    end_as_interrupted()
    given: dict[str, Any] = {
        "task": task if (task or "").strip() else None,
        "plan": _read_plan(plan_file),
        "commit": commit,
        "yes": yes,
    }
    if resume is None:
        _check_possible(given, until)
    opened = nullcontext() if dry_run else closing(_records(root, resume, given))
    with opened as records, _hinting(records, root):
        if records is not None:
            if (told := records.read(DONE)) is not None:
                return _done_before(told, records, as_json=as_json, quiet=quiet)
            given = _remembered(records, given)
        crew = Crew(settings(), _machine(settings()), dry_run)
        order = _order(given, until, crew, root, dry_run=dry_run)
        with closing(wiring.workspace(root)) as workspace:
            run = _drive(order, root, records, workspace, crew, yes=given["yes"], quiet=quiet, as_json=as_json)
        finished = order.until is None and run.error is None
        if records is not None and finished:
            records.write(DONE, json.dumps(_contract(run)).encode())
    return _report(run, order, root, as_json=as_json, quiet=quiet)


@contextmanager
def _hinting(records: "Records | None", root: str) -> Iterator[None]:
    """Say how to go on with a run that is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        from aidx.wiring import runs

        if records is not None and records.read(ORDER) is not None:
            with suppress(OSError):  # the terminal may be gone
                click.echo(f"aidx: run {records.name} was interrupted", err=True)
                click.echo(f"hint: Go on with it: {runs.resume(records.name, root)}", err=True)
        raise


def _read_plan(path: str | None) -> str | None:
    """The text of a person's plan, checked before anything is begun."""
    if path is None:
        return None
    from aidx.pipeline.artifact.parse import parse
    from aidx.userfile import read_text

    text = read_text(path, "a plan", MOST_PLAN)
    parse(text, path)
    return text


def _check_possible(given: Mapping[str, Any], until: str | None) -> None:
    """Raise ``InputError`` for what could only fail after work was done."""
    if not given["task"] and given["plan"] is None:
        raise InputError("there is nothing to do", hint="Say in TASK what to do, or bring a plan with --plan.")
    if given["plan"] is not None and until in {"research", "plan"}:
        raise InputError(f"--until {until} has nothing to do: the plan is there", hint="Leave it out.")
    if given["plan"] is None and until != "research" and "architect" not in settings().config.roles:
        raise InputError(
            "no model fills the role architect, which writes the plan",
            hint="Write [roles.architect] into aidx.toml, or bring your own plan with --plan.",
        )


def _records(root: str, resume: str | None, given: Mapping[str, Any]) -> "Records":
    """The folder of the run; what a new one was told is the first thing in it."""
    from aidx.wiring import runs

    if given["commit"]:
        runs.repository(root).check()
    if resume is None:
        runs.check_unfinished(root)
    records = runs.records(root, resume)
    if resume is None:
        records.write(ORDER, json.dumps(given).encode())
    return records


def _remembered(records: "Records", given: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was told when it began; ``--commit`` and ``--yes`` may be added later."""
    data = records.read(ORDER)
    if data is None:
        raise InputError(f"run {records.name} was killed before it had begun", hint="Begin again, without --resume.")
    told = _own(data, records, ORDER, _is_order)
    return {**told, "commit": told["commit"] or given["commit"], "yes": told["yes"] or given["yes"]}


def _is_order(told: Mapping[str, Any]) -> bool:
    """Whether *told* is what a run was told: a task, or a plan; what was agreed to."""
    from aidx.pipeline.artifact.parse import parse

    task, plan = told.get("task"), told.get("plan")
    with suppress(InputError):
        if plan is not None:
            parse(plan)
        return isinstance(task if plan is None else task or "", str) and all(
            isinstance(told.get(name), bool) for name in ("commit", "yes")
        )
    return False


def _own(data: bytes, records: "Records", name: str, fits: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """The object in a file of the run; ``InputError`` where somebody else has written it."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads(data)
        if isinstance(found, dict) and fits(found):
            return found
    raise InputError(
        f".aidx/runs/{records.name}/{name} is damaged: the run cannot go on", hint="Begin again, without --resume."
    )


def _order(given: Mapping[str, Any], until: str | None, crew: "Crew", root: str, *, dry_run: bool) -> "Order":
    from aidx.pipeline.artifact.parse import parse
    from aidx.pipeline.flow import Order
    from aidx.wiring import runs

    _check_possible(given, until)
    return Order(
        task=given["task"] or parse(given["plan"]).title,
        plan=given["plan"],
        until=until,  # type: ignore[arg-type]
        commit=given["commit"],
        dry_run=dry_run,
        form=crew.form,
        checks=dict(crew.settled.config.checks),
        broken=runs.broken(root, crew.settled.config.checks),
        thinking="thinking" in crew.settled.config.roles,
        researcher="researcher" in crew.settled.config.roles,
        cascade=crew.cascade,
    )


def _drive(
    order: "Order",
    root: str,
    records: "Records | None",
    workspace: "Workspace",
    crew: "Crew",
    *,
    yes: bool,
    quiet: bool,
    as_json: bool,
) -> "Finished":
    from aidx.cli._crew import EDITOR
    from aidx.pipeline.flow import pipeline
    from aidx.pipeline.run import World, drive
    from aidx.wiring import retrieval, runs

    tell: Callable[[str], object] = _silent if quiet else _progress
    if "editor" not in crew.settled.config.roles:
        tell(f"no editor is configured: {EDITOR} edits, which knows function headers and first statements")
    if records is not None:
        tell(f"run {records.name}")
    world = World(
        workspace=workspace,
        seats=crew.seats,
        records=records,
        checker=runs.checker(root, crew.settled),
        commands=order.checks,
        repository=runs.repository(root),
        confirm=_agreed if yes else _asked_person(as_json=as_json),
        tell=tell,
        find=retrieval.finder(crew.settled, root, tell, leaving=not order.dry_run),
        guard=runs.guard(root, order.checks),
        bench=None if order.dry_run else crew.bench(root, tell),
    )
    return drive(pipeline(order), world)


def _machine(settled: "Settled") -> "Machine":
    """The machine of ``[device]``, or this one."""
    from aidx import wiring
    from aidx.plan.wish import Wish

    device = settled.config.device
    return wiring.machine(Wish(device.vram, device.gpu, device.host_ram, device.driver, device.total))


def _agreed(plan_hash: str, text: str) -> bool:
    """The yes that was given beforehand."""
    del plan_hash, text
    return True


def _asked_person(*, as_json: bool) -> Callable[[str, str], bool | None]:
    def confirm(plan_hash: str, text: str) -> bool | None:
        from aidx.cli._text import safe

        click.echo("\n".join(map(safe, text.rstrip().split("\n"))), err=as_json)
        if not sys.stdin.isatty():
            return None
        try:
            return click.confirm(f"Carry out plan {plan_hash}?", default=False, err=True)
        except click.Abort:  # Ctrl-C, or the end of what is typed: neither yes nor no
            with suppress(OSError):  # the terminal may be gone
                click.echo(err=True)
            raise KeyboardInterrupt from None

    return confirm


def _done_before(told: bytes, records: "Records", *, as_json: bool, quiet: bool) -> int:
    from aidx.pipeline.run import PlanFile

    found = _own(told, records, DONE, lambda told: isinstance(told["id"], str))
    PlanFile(records).check_as_tried()
    if as_json:
        click.echo(json.dumps(found))
    elif not quiet:
        click.echo(f"run {found['id']} is done: nothing is left to do")
    return 0


def _report(run: "Finished", order: "Order", root: str, *, as_json: bool, quiet: bool) -> int:
    from aidx.pipeline.contract import has_verdict

    if as_json and has_verdict(run.error):
        click.echo(json.dumps(_contract(run)))
        return 0 if run.error is None else run.error.exit_code
    if run.error is not None:
        if run.id:
            _tell_how_to_go_on(run.error, run.id, root)
        raise run.error
    if as_json:
        click.echo(json.dumps(_contract(run)))
    else:
        _show(run, order, root, quiet=quiet)
    return 0


def _tell_how_to_go_on(error: "AidxError", run: str, root: str) -> None:
    """Name the *run* in the hint of an *error* after which it can go on: what was paid for is kept."""
    from aidx.wiring import runs

    go_on = runs.resume(run, root)
    error.hint = error.hint.replace(f"aidx run --resume {run}", go_on)
    error.hint = error.hint.replace("the run's plan.md", _plan_file(run, root))
    if go_on in error.hint:
        return
    if "with --resume" in error.hint:
        error.hint = error.hint.replace("with --resume", f"with {go_on}")
    elif error.exit_code == EngineError.exit_code or error.code == "tree_busy":
        error.hint = f"{error.hint} Then go on: {go_on}".strip()


def _plan_file(run: str, root: str) -> str:
    return str(Path(root, ".aidx", "runs", run, "plan.md"))


def _show(run: "Finished", order: "Order", root: str, *, quiet: bool) -> None:
    from aidx.cli._text import safe

    outcome = run.outcome
    if order.until == "research":
        click.echo("\n".join(map(safe, outcome.found)))
    for phase, about, counted in outcome.contexts:
        click.echo(safe(f"{phase}: {about}: {counted.held}, {_cost(counted.cost, counted.output)}"))
        for item, each in counted.items:
            click.echo(safe(f"  {each:>6}  {item}"))
    if outcome.diff:
        click.echo("\n".join(map(safe, outcome.diff.rstrip("\n").split("\n"))))
    for path, status in outcome.files:
        click.echo(safe(f"{path}: {'would be ' if order.until == 'edit' and status != 'unchanged' else ''}{status}"))
    if outcome.commit is not None:
        click.echo(f"commit {outcome.commit}")
    if quiet:
        return
    _show_cost(run, order)
    for role, peak in _contract(run)["peak_prompt_tokens"].items():
        guessed = any(each.get("estimated") and each["role"] == role for each in run.requests)
        size = f"{peak} prompt tokens{ESTIMATED if guessed else ''}"
        click.echo(f"{role}: at most {size}; KV cache {run.kv_bytes.get(role, 0):,} B", err=True)
    if order.until is not None and not order.dry_run:
        _show_way_on(run, order.until, root)


def _show_way_on(run: "Finished", until: str, root: str) -> None:
    """Where the plan is, as long as it may be edited, and how to go on."""
    from aidx.wiring import runs

    if run.outcome.plan is not None and until in {"plan", "preflight"}:
        click.echo(f"the plan is in {_plan_file(run.id, root)}: edit it where you like", err=True)
    click.echo(f"stopped after {until}; go on: {runs.resume(run.id, root)}", err=True)


def _cost(most: float | None, written: int) -> str:
    from aidx.budget.prices import money

    if most is None:
        return "cost unknown"
    return f"at most {money(most)} with an answer of {written} tokens" if most else "no cost"


def _show_cost(run: "Finished", order: "Order") -> None:
    """What the requests cost together, where one costs something or may."""
    from aidx.budget.prices import money
    from aidx.pipeline.contract import cost

    total = cost(run.requests)
    if total is None:
        roles = sorted({request["role"] for request in run.requests if request.get("cost") is None})
        click.echo(f"cost unknown: no price in {', '.join(f'[roles.{role}]' for role in roles)}", err=True)
    elif order.dry_run:
        click.echo(
            f"cost: at most {money(total)} with each of these requests sent once" if total else "cost: 0", err=True
        )
    elif total:
        click.echo(f"cost: {money(total)}", err=True)


def _contract(run: "Finished") -> dict[str, Any]:
    from aidx.pipeline.contract import as_json

    return as_json(run)


def _progress(line: str) -> None:
    from aidx.cli._text import safe

    click.echo(safe(f"aidx: {line}"), err=True)


def _silent(_: str) -> None:
    """Say nothing."""


__all__ = ["command"]
