"""An answer with edit blocks applied to a workspace: every block, or nothing at all."""

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from aidx.errors import InputError
from aidx.pipeline.edit import blocks as format_
from aidx.pipeline.edit.blocks import Block
from aidx.pipeline.edit.change import Changes, Status, change
from aidx.pipeline.edit.paths import checked, nested
from aidx.pipeline.edit.refusal import EditRefusedError, Refused
from aidx.ports.workspace import RefusedPathError, Workspace

Guard = Callable[[tuple[str, ...]], Mapping[str, str]]


def open_(_: tuple[str, ...]) -> Mapping[str, str]:
    """Nothing is closed."""
    return {}


class Outcome(Struct, frozen=True):
    """*applied* says whether the files were (or, on a dry run, would be) written; *files* what happens to each."""

    applied: bool
    blocks: int
    files: tuple[tuple[str, Status], ...]
    refused: tuple[Refused, ...]


def apply(
    answer: str,
    workspace: Workspace,
    *,
    allowed: Collection[str] | None = None,
    guard: Guard = open_,
    dry_run: bool = False,
) -> Outcome:
    """Apply the edit blocks of *answer* to *workspace*; a dry run decides everything and writes nothing.

    *allowed* is as in ``paths.checked``; *guard* says why files may change only where *allowed* has their own names.
    Raises ``InputError`` for an answer without blocks.
    """
    blocks = format_.parse(answer)
    if not blocks:
        raise InputError(
            "the answer holds no edit block",
            hint="A block is the file's path, then <<<<<<< SEARCH, =======, >>>>>>> REPLACE, each on its own line.",
        )
    changes = decide(blocks, workspace, allowed, guard)
    applied = not changes.refused
    if applied and not dry_run:
        new = {path: data for path, data in changes.files.items() if data != changes.before[path]}
        if new:
            workspace.write(new, changes.before)
    return Outcome(applied, len(blocks), tuple(changes.status.items()), changes.refused)


def _check_apart(path: str, files: Collection[str]) -> None:
    if other := next((each for each in files if nested(each, path)), ""):
        raise EditRefusedError("not_allowed", f"{path} and {other} cannot both be files")


def _check_open(path: str, allowed: Collection[str], guard: Guard) -> None:
    if path not in allowed and (why := guard((path,)).get(path)) is not None:
        raise EditRefusedError("not_allowed", f"{path} {why}: it must be allowed by its own name")


def decide(blocks: tuple[Block, ...], workspace: Workspace, allowed: Collection[str] | None, guard: Guard) -> Changes:
    """What *blocks* make of the files that they name; nothing is written."""
    files: dict[str, bytes | None] = {}
    refused: list[Refused] = []
    plain: list[Block] = []
    for block in blocks:
        try:
            path = block.path if block.problem else checked(block.path, allowed)
            _check_apart(path, files)
            _check_open(path, allowed or (), guard)
            if not block.problem and path not in files:
                files[path] = workspace.read(path)
            plain.append(Block(path, block.number, block.row, block.readings, block.problem))
        except (EditRefusedError, RefusedPathError) as error:
            refused.append(Refused(block.path, block.number, error.reason, error.detail))
    made = change(plain, files)
    return Changes(made.files, made.before, tuple(sorted([*refused, *made.refused], key=lambda r: r.block)))
