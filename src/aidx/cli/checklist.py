"""``aidx checklist``: the six steps in order, each with its proof."""

import json
from typing import Any

import click

from aidx.cli._options import common, planning, typed
from aidx.plan.devices import Machine
from aidx.plan.need import Need


@click.command()
@click.argument("model", default="qwen2.5-coder-14b")
@planning
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write the report as one HTML file.")
@common
def command(
    model: str,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    html: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Walk through the six steps for MODEL, with the component table.

    For Qwen2.5-Coder-14B, the default, the article's figures stand beside the exact ones.
    """
    del quiet, verbose  # there is no progress to be quiet about
    from contextlib import closing

    from aidx import wiring
    from aidx.advise import plan
    from aidx.advise.article import article
    from aidx.cli._show import checklist_lines
    from aidx.cli._text import safe
    from aidx.plan.article import MODEL
    from aidx.plan.checklist import as_json as contract
    from aidx.plan.checklist import checklist

    if html is not None:
        wiring.check_page(html)
    with closing(wiring.prober(warm=not need.fast)) as prober:
        found = wiring.resolve(model, **model_options)
        planned = plan(found.model, need, machine, prober, found.variant)
        is_article = found.variant is not None and found.model.name == MODEL
        claims = article(found.variant, prober, fast=need.fast) if is_article and found.variant else ()
    steps = checklist(planned, typed(model), claims)
    if html is not None:
        wiring.write_report(html, planned)
    if as_json:
        click.echo(json.dumps(contract(steps)))
    else:
        click.echo("\n".join((*planned.notes, *map(safe, checklist_lines(steps)))))
    return 3 if any(step.status == "failed" for step in steps.steps) else 0
