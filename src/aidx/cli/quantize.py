"""``aidx quantize``: a smaller file of the same model, as ``llama-quantize`` writes it, by the engine's own code."""

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common

if TYPE_CHECKING:
    from aidx.model.quants.recipe import Recipe


@click.command()
@click.argument("model", metavar="IN")
@click.argument("output", metavar="OUT")
@click.option("--to", "file_type", required=True, metavar="TYPE", help="The file type, such as Q4_K_M.")
@click.option("--imatrix", metavar="FILE", help="An importance matrix of llama-imatrix (.gguf or .dat).")
@click.option("--threads", type=click.IntRange(1, 512), help="Threads [default: the cores this process may use].")
@click.option("--force", is_flag=True, help="Replace OUT where it is there already.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, to the byte, and write nothing.")
@common
def command(
    model: str,
    output: str,
    *,
    file_type: str,
    imatrix: str | None,
    threads: int | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Quantize IN (a GGUF file of F16, BF16 or F32, also a split one) to TYPE and write it to OUT.

    The bytes are those of llama.cpp's own llama-quantize, and their number is known before the first is written. OUT
    appears whole or not at all.
    """
    del verbose
    from aidx.cli._text import safe
    from aidx.wiring import quantize as wiring

    began = time.monotonic()
    job = wiring.quantization(model, output, file_type, imatrix=imatrix, replace=force)
    recipe = job.recipe
    if not quiet and recipe.missing:
        click.echo(f"aidx: nothing in {imatrix} for {len(recipe.missing)} tensors, quantized without", err=True)
    if not dry_run:
        wiring.quantize(job, _silent if quiet else Bar(terminal=sys.stderr.isatty()), threads=threads)
    written = None if dry_run else job.target.stat().st_size
    seconds = None if dry_run else time.monotonic() - began
    report = quantized_json(recipe, (job.found.paths[0], str(job.target)), job.found.file_bytes, written, seconds)
    click.echo(json.dumps(report) if as_json else "\n".join(map(safe, sentences(report))))
    return 0


def quantized_json(
    recipe: "Recipe", paths: tuple[str, str], input_bytes: int, written: int | None, seconds: float | None
) -> dict[str, Any]:
    """``aidx.quantize/1``; *written* and *seconds* are ``None`` where nothing was written."""
    kinds = Counter(step.target.type.name for step in recipe.steps)
    return {
        "schema": "aidx.quantize/1",
        "input": paths[0],
        "output": paths[1],
        "type": recipe.file_type,
        "input_bytes": input_bytes,
        "predicted_bytes": recipe.size,
        "bytes": written,
        "tensors": dict(sorted(kinds.items())),
        "without_importance": list(recipe.missing),
        "seconds": None if seconds is None else round(seconds, 3),
    }


def sentences(report: dict[str, Any]) -> tuple[str, str]:
    """The report in two lines."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in report["tensors"].items())
    share = report["predicted_bytes"] / report["input_bytes"]
    size = f"{report['predicted_bytes']:,} bytes ({share:.0%} of the input)"
    if report["bytes"] is None:
        done = f"{report['output']}: {report['type']} would take {size}; nothing was written"
    else:
        said = "as predicted" if report["bytes"] == report["predicted_bytes"] else f"and has {report['bytes']:,}"
        done = f"{report['output']}: {report['type']}, {size}, {said}, in {report['seconds']:.1f} s"
    return done, kinds


class Bar:
    """A bar on a *terminal*, a line each quarter elsewhere."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._drawn = 0.0
        self._quarter = 0

    def __call__(self, done: int, total: int) -> None:
        """Show that *done* of *total* bytes were read and converted."""
        share = done / total if total else 1.0
        if not self._terminal:
            if int(share * 4) > self._quarter:
                self._quarter = int(share * 4)
                click.echo(f"aidx: {share:.0%} quantized", err=True)
            return
        now = time.monotonic()
        if now - self._drawn < 0.1 and done != total:
            return
        self._drawn = now
        filled = int(share * 30)
        text = f"[{'#' * filled}{' ' * (30 - filled)}] {share:4.0%}  {done / 2**30:.2f} of {total / 2**30:.2f} GiB"
        click.echo(f"\r{text}\x1b[K", err=True, nl=done == total)


def _silent(done: int, total: int) -> None:
    """Say nothing."""
    del done, total
