"""``aidx demo``: plan, run and prove, once, offline."""

import json
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from aidx import wiring
from aidx.cli._options import common

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aidx.demo.carry import Place


@click.command()
@click.option(
    "--task", "number", type=int, help="Which held-out edit to make, from 1 [default: the first that adds a parameter]."
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True),
    default="aidx-demo.html",
    show_default=True,
    help="Where to write the page.",
)
@common
def command(number: int | None, html: str, *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Take the tour, offline: a few seconds.

    A 12 GB card is planned at four quantizations beside a published budget table. A small real model is
    planned for this machine, started, and its memory compared with the plan to the byte. It makes an edit of
    code that it has never seen, and is protected from a prompt over its gate. Then it is the Editor of two plans
    in a scratch repository, where tests catch a wrong edit. All of it is written as one HTML page.
    """
    del verbose
    import time

    from aidx.advise import plan
    from aidx.advise.article import article_plans
    from aidx.demo.contract import as_json as contract
    from aidx.demo.run import Tour, run
    from aidx.demo.task import pick, read
    from aidx.page.demo import render
    from aidx.plan.article import MODEL
    from aidx.plan.need import Need
    from aidx.plan.wish import Wish

    begun = time.monotonic()
    wiring.check_page(html)
    task = pick(read(wiring.held_out_tasks()), number)
    card, tiny, here = wiring.resolve(MODEL), wiring.resolve("aidx-tiny"), wiring.machine(Wish(vram=(0,)))
    assert card.variant is not None
    silent = as_json or quiet
    with closing(wiring.prober()) as prober:
        variant = card.variant
        story = run(
            Tour(
                article=lambda: article_plans(variant, prober),
                plan=lambda: plan(tiny.model, Need(), here, prober),
                start=wiring.start,
                scratch=_scratch,
                task=task,
                say=(lambda _: None) if as_json else click.echo,
                stream=(lambda _: None) if as_json else _stream,
                progress=(lambda _: None) if silent else _progress,
                measured=lambda planned, timing: wiring.keep_speed(planned, here, timing),
                plain=wiring.screen().plain,
            )
        )
    wiring.write_page(html, render(story))
    seconds = time.monotonic() - begun
    if as_json:
        click.echo(json.dumps(contract(story, html=html, seconds=seconds)))
    else:
        click.echo(f"{html} shows all of it. {seconds:.1f} s")
    return 0 if story.holds else 5


@contextmanager
def _scratch() -> "Iterator[Place]":
    """A repository of the demo's own, deleted afterwards."""
    from aidx.demo.carry import Place, Seats
    from aidx.demo.scratch import FILES, checks
    from aidx.pipeline.run import World
    from aidx.wiring import runs

    commands = checks(sys.executable)
    with closing(runs.scratch(FILES)) as scratch:
        root = scratch.root

        @contextmanager
        def opened(seats: Seats) -> "Iterator[World]":
            with closing(wiring.workspace(root)) as workspace, closing(runs.records(root)) as records:
                yield World(
                    workspace=workspace,
                    seats=seats,
                    records=records,
                    checker=runs.checker(root),
                    commands=commands,
                    repository=runs.repository(root),
                    confirm=lambda _hash, _text: True,  # whoever started the demo agreed to its plans
                    tell=lambda _: None,
                )

        yield Place(opened, scratch.tree, commands, scratch.commits)


def _stream(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _progress(line: str) -> None:
    click.echo(f"aidx: {line}", err=True)
