"""How far ``aidx choose`` has come: a line that is written over on a terminal, one line elsewhere."""

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aidx.model.spec import ModelSpec
    from aidx.plan.choice import Candidate

CLEAR = "\r\x1b[K"


@contextmanager
def weighing(candidates: "Sequence[Candidate]", *, shown: bool) -> "Iterator[Sequence[Candidate]]":
    """*candidates* that say on stderr which of them is being weighed, where several are and it is *shown*."""
    if not shown or len(candidates) < 2:
        yield candidates
    elif not sys.stderr.isatty():
        click.echo(f"aidx: weighing {len(candidates)} models", err=True)
        yield candidates
    else:
        told = [
            replace(each, build=partial(_built, each, f"{number} of {len(candidates)}"))
            for number, each in enumerate(candidates, start=1)
        ]
        try:
            yield told
        finally:
            click.echo(CLEAR, err=True, nl=False)


def _built(candidate: "Candidate", at: str, quant: str) -> "ModelSpec":
    click.echo(f"{CLEAR}aidx: weighing {at}: {candidate.name} {quant}", err=True, nl=False)
    return candidate.build(quant)
