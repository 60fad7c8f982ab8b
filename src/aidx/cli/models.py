"""``aidx models``: what the local stores hold."""

import json
from collections.abc import Sequence

import click
from msgspec.structs import asdict

from aidx.cli._options import common
from aidx.model.stored import Damaged, Listed


@click.command()
@common
def command(*, as_json: bool, quiet: bool, verbose: bool) -> int:
    """List the models of Ollama, the Hugging Face cache, LM Studio and llama.cpp on this machine.

    Each can be planned and served by the name in the first column.
    """
    del verbose
    from aidx import wiring
    from aidx.cli._text import printable, safe

    found, damaged = wiring.stored()
    if as_json:
        problems = [asdict(each) for each in damaged]
        click.echo(json.dumps({"schema": "aidx.models/1", "models": list(map(asdict, found)), "problems": problems}))
        return 0
    click.echo("\n".join(map(safe, model_lines(found, damaged))))
    for each in () if quiet else damaged:
        click.echo(f"aidx: {each.store}: {printable(each.name)}: {printable(each.why)}", err=True)
        click.echo(f"hint: {printable(each.hint)}", err=True)
    return 0


def model_lines(found: Sequence[Listed], damaged: Sequence[Damaged] = ()) -> list[str]:
    """A table of *found*, or one line that says what to do where it is empty."""
    from aidx.budget.sizes import gib

    if not found and damaged:
        stores = " and ".join(sorted({each.store for each in damaged}))
        return [f"no whole models: what {stores} has here is damaged; aidx pull MODEL fetches one"]
    if not found:
        return ["no models: Ollama, Hugging Face, LM Studio and llama.cpp have none here; aidx pull MODEL fetches one"]
    rows = [("NAME", "STORE", "SIZE", "QUANTIZATION", "ARCHITECTURE", "CONTEXT")]
    for each in found:
        quant = f"{each.quantization} (checkpoint)" if each.checkpoint else each.quantization
        size, context = gib(each.file_bytes), f"{each.context_length:,}"
        rows.append((each.name, each.store, size, quant, each.architecture, context))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {2, 5}
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
