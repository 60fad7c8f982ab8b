"""Choices as lines for a person."""

from collections.abc import Sequence

from aidx.budget.sizes import GIB, gib
from aidx.cli._text import folded
from aidx.plan.choice import Choice, Chosen, Terms
from aidx.plan.chosen import plan_command
from aidx.plan.devices import Machine

HEADS = ("model", "quant", "KV", "GiB", "left", "context", "KLD <=", "tok/s")
FIGURES = 5  # columns that are numbers
NAMED = 6  # models of the wrong class that are named


def choice_lines(found: Chosen, wish: Terms, machine: Machine, typed: str, *, width: int) -> list[str]:
    """The choices as ``aidx choose`` prints them: what was asked, a row and a reason each, what was left out."""
    lines = [f"note: {note}" for note in found.notes]
    lines += [_asked(found, wish, machine), "", *_table(found.choices, width), "", *_left_out(found)]
    lines += _unsuited(found, wish)
    lines.append("~ assumed from memory bandwidth; KLD: the worst published, which a name predicts to a factor of four")
    lines.append(f"next: {plan_command(found.choices[0], typed)}")
    return [part for line in lines for part in _folded(line, width)]


def _asked(found: Chosen, wish: Terms, machine: Machine) -> str:
    devices = ", ".join(f"{device.name} {gib(device.total)}" for device in machine.devices)
    role = f", role {wish.role.name}" if wish.role is not None else ""
    ctx = found.choices[0].ctx_size
    models = f"{found.models} models" if found.models > 1 else found.choices[0].model
    return f"{found.held:,} ways of {models} hold on {devices} at a context of {ctx:,}{role}"


def _table(choices: Sequence[Choice], width: int) -> list[str]:
    """A row for each choice; what is said of one model alone is said once, above."""
    alone = len({choice.model for choice in choices}) == 1
    heads = HEADS[1:] if alone else HEADS
    rows = [_cells(choice)[len(HEADS) - len(heads) :] for choice in choices]
    columns = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    texts = len(heads) - FIGURES
    if alone:
        found = [f"{_row(row, columns, texts)}  {choice.placement}" for row, choice in zip(rows, choices, strict=True)]
        return [*folded(_said(choices[0]), width), "", _row(heads, columns, texts), *found]
    lines = [_row(heads, columns, texts)]
    for row, choice in zip(rows, choices, strict=True):
        lines.append(_row(row, columns, texts))
        lines += [f"    {line}" for line in folded(f"{_said(choice)}; {choice.placement}", width - 4)]
    return lines


def _said(choice: Choice) -> str:
    mark = "" if choice.suits is None or choice.suits.suits else "not right: "
    return f"{mark}{choice.standing_said}"


def _row(cells: Sequence[str], columns: Sequence[int], texts: int) -> str:
    left = [cell.ljust(size) for cell, size in zip(cells[:texts], columns[:texts], strict=True)]
    right = [cell.rjust(size) for cell, size in zip(cells[texts:], columns[texts:], strict=True)]
    return " ".join((*left, *right))


def _cells(choice: Choice) -> tuple[str, ...]:
    kinds = dict.fromkeys((choice.cache_type_k, choice.cache_type_v))
    return (
        choice.model,
        choice.quantization,
        "/".join(kind or "-" for kind in kinds),
        f"{(choice.tightest.planned if choice.tightest else choice.planned_bytes) / GIB:.2f}",
        f"{choice.headroom_bytes / GIB:.2f}{f' {choice.tightest.name}' if choice.tightest else ''}",
        "-" if choice.max_ctx_size is None else f"{choice.max_ctx_size:,}",
        f"{choice.loss.kld_high:.2g}",
        _speed(choice),
    )


def _speed(choice: Choice) -> str:
    if choice.speed is None:
        return "-"
    mark = "" if choice.speed.grade == "measured" else "~"
    rate = choice.speed.tokens_per_second
    return f"{mark}{rate:.0f}" if rate >= 10 else f"{mark}{rate:.1f}"


def _left_out(found: Chosen) -> list[str]:
    shown = len(found.choices)
    if shown >= found.better:
        rest = found.held - found.better
        return [f"left out, as one of these betters it in loss, bytes, context and speed: {rest:,}"] if rest else []
    models = len({choice.model for choice in found.choices})
    return [f"{shown} of {found.held:,} shown, the best of each of {models} of {found.models} models; --all shows them"]


def _unsuited(found: Chosen, wish: Terms) -> list[str]:
    if wish.role is None or not found.unsuited:
        return []
    wrong = [name for name, judged in found.unsuited if "wrong class" in judged.why]
    sizes = len(found.unsuited) - len(wrong)
    parts = [f"{sizes} of the wrong size"] if sizes else []
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        parts.append(f"big enough but of the wrong class: {', '.join(wrong[:NAMED])}{more}")
    return [f"not right for {wish.role.name}: {'; '.join(parts)} (aidx roles MODEL says why)"]


def _folded(line: str, width: int) -> list[str]:
    """*line* in pieces of at most *width*; commands and rows stay whole."""
    if len(line) <= width or line.startswith(("next: ", " ")):
        return [line]
    return folded(line, width, indent="  ")
