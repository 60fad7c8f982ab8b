"""``aidx pull``: download a model into the cache that Hugging Face tools share."""

import json
import sys
import time
from typing import Any

import click

from aidx.cli._options import common
from aidx.model.stored import Pulled

BAR = 30


@click.command()
@click.argument("model")
@click.option("--quant", help="Quantization to fetch, such as Q4_K_M.")
@common
def command(model: str, *, quant: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Download MODEL, with resume and sha256, to where Hugging Face tools and llama.cpp find it too.

    MODEL is hf.co/ORG/REPO:QUANT, ORG/REPO:QUANT, or a catalogue name whose files on the hub are known.
    """
    del verbose
    from aidx import wiring
    from aidx.budget.sizes import gib
    from aidx.cli._text import safe

    progress = _silent if quiet else Progress(terminal=sys.stderr.isatty())
    found = wiring.pull(model, quant=quant, tell=progress)
    if as_json:
        click.echo(json.dumps(pulled_json(found)))
        return 0
    size = gib(sum(each.file.size for each in found.files))
    done = "fetched" if any(each.fetched for each in found.files) else "already here:"
    click.echo(safe(f"{done} {found.name} ({size}): {found.files[0].path}"))
    return 0


def pulled_json(found: Pulled) -> dict[str, Any]:
    """``aidx.pull/1``."""
    files = [
        {
            "file": each.file.path,
            "path": each.path,
            "bytes": each.file.size,
            "sha256": each.file.sha256,
            "fetched": each.fetched,
        }
        for each in found.files
    ]
    return {
        "schema": "aidx.pull/1",
        "name": found.name,
        "repository": found.repo,
        "commit": found.commit,
        "files": files,
    }


class Progress:
    """A bar on a *terminal*, a line at the start and the end of each file elsewhere."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._file = ""
        self._began = self._drawn = 0.0
        self._first = 0

    def __call__(self, file: str, done: int, total: int) -> None:
        """Show that *done* of *total* bytes of *file* are here."""
        now = time.monotonic()
        if file != self._file:
            self._file, self._began, self._first, self._drawn = file, now, done, 0.0
            if not self._terminal:
                click.echo(f"aidx: fetching {_plain(file)}, {done:,} of {total:,} bytes are here", err=True)
        if self._terminal and (now - self._drawn > 0.1 or done == total):
            self._drawn = now
            rate = (done - self._first) / (now - self._began) if now > self._began else 0.0
            click.echo(f"\r{bar_line(_plain(file), done, total, rate)}\x1b[K", err=True, nl=done == total)
        elif done == total and not self._terminal:
            click.echo(f"aidx: {_plain(file)} is whole", err=True)


def bar_line(file: str, done: int, total: int, rate: float) -> str:
    """``[#####     ]  45 %  3.4 of 7.5 GiB  12.3 MiB/s  file``, at most as wide as a small terminal."""
    share = done / total if total else 1.0
    filled = int(share * BAR)
    amount = f"{done / (1 << 30):.2f} of {total / (1 << 30):.2f} GiB  {rate / (1 << 20):.1f} MiB/s"
    return f"[{'#' * filled}{' ' * (BAR - filled)}] {int(share * 100):3d} %  {amount}  {file[-24:]}"


def _plain(file: str) -> str:
    from aidx.cli._text import printable

    return printable(file)


def _silent(file: str, done: int, total: int) -> None:
    """Say nothing."""
    del file, done, total
