"""``aidx apply``: edit blocks of an answer become changes of files, all or nothing."""

import json
from typing import TYPE_CHECKING

import click

from aidx.cli._options import common
from aidx.errors import CheckError

if TYPE_CHECKING:
    from aidx.pipeline.apply import Outcome

SCHEMA = "aidx.apply/1"
MOST_ANSWER = 64 << 20  # of files that are created, too


@click.command()
@click.argument("answer", type=click.Path(allow_dash=True))
@click.option("--root", default=".", show_default=True, type=click.Path(), help="Folder that the paths are below.")
@click.option("--allow", multiple=True, metavar="PATH", help="A file, or a folder with / at its end, that may change.")
@click.option("--dry-run", is_flag=True, help="Decide everything, write nothing.")
@common
def command(
    answer: str,
    *,
    root: str,
    allow: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Apply the SEARCH/REPLACE blocks in the file ANSWER (- reads standard input) to a tree.

    Either every block is applied or nothing is changed, and every refused block is named. Without --allow any file
    below the root may change, except those that other programs run by themselves (CI, hooks).
    """
    del verbose
    from contextlib import closing

    from aidx import wiring
    from aidx.pipeline.apply import apply
    from aidx.wiring import runs

    text = _read(answer)
    runs.check_unfinished(root)
    with closing(wiring.workspace(root)) as workspace:
        outcome = apply(text, workspace, allowed=allow or None, guard=runs.guard(root, {}), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(_contract(outcome)))
        return 0 if outcome.applied else CheckError.exit_code
    _show(outcome, dry_run=dry_run, quiet=quiet)
    if not outcome.applied:
        raise CheckError(
            f"{len({r.block for r in outcome.refused})} of {outcome.blocks} blocks refused: nothing was changed",
            hint=_hint(outcome, allow),
        )
    return 0


def _hint(outcome: "Outcome", allow: tuple[str, ...]) -> str:
    """What to do about blocks that were refused: those for files that may not change are no fault of their lines."""
    from aidx.pipeline.edit.paths import may_be_allowed

    closed = [refused.path for refused in outcome.refused if refused.reason == "not_allowed"]
    names = [path for path in dict.fromkeys(closed) if may_be_allowed(path)]
    if len(closed) < len(outcome.refused):
        return "Ask for the refused blocks again, with the lines copied from the file as it is."
    if not names:
        return "Leave these blocks out: no option lets them change."
    more = " ".join(f"--allow {name}" for name in (*allow, *names))
    return f"If they are to change, give {more}{'' if allow else ' (then nothing else may change)'}."


def _read(answer: str) -> str:
    from aidx.userfile import decoded, read_input

    hint = "Give the file that holds the model's answer, or -."
    return decoded(read_input(answer, "an answer with edits", MOST_ANSWER, hint=hint), answer)


def _show(outcome: "Outcome", *, dry_run: bool, quiet: bool) -> None:
    from aidx.cli._text import safe

    for refused in outcome.refused:
        where = f"{refused.path}: " if refused.path else ""
        click.echo(safe(f"{where}block {refused.block} refused ({refused.reason}): {refused.detail}"))
    if outcome.applied and not quiet:
        for path, status in outcome.files:
            click.echo(safe(f"{path}: {'would be ' if dry_run and status != 'unchanged' else ''}{status}"))


def _contract(outcome: "Outcome") -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "applied": outcome.applied,
        "files": [{"path": path, "status": status} for path, status in outcome.files] if outcome.applied else [],
        "refused": [
            {"path": r.path, "block": r.block, "reason": r.reason, "detail": r.detail} for r in outcome.refused
        ],
    }
