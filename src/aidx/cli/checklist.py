"""``aidx checklist``: the six steps in order, each with its proof."""

import json
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common, planning, settings, typed
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.plan.article import Claim


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write the report as one HTML file.")
@common
def command(
    model: str | None,
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

    Without MODEL they are walked through for all roles of aidx.toml together; where none is configured, for
    Qwen2.5-Coder-14B. For that one the article's figures stand beside the exact ones.
    """
    del quiet, verbose  # there is no progress to be quiet about
    from aidx import wiring
    from aidx.cli._show import checklist_lines
    from aidx.cli._text import safe
    from aidx.cli.plan import planned
    from aidx.plan.article import MODEL
    from aidx.plan.checklist import as_json as contract
    from aidx.plan.checklist import checklist
    from aidx.wiring.proof import enforced, proofs

    if html is not None:
        wiring.check_page(html)
    roles = settings().config.roles if model is None else {}
    named = model if model is not None or roles else MODEL
    found = planned(named, need, machine, model_options)
    article = () if roles or found.roles[0].model.name != MODEL else _article(need)
    gates: dict[str, int] = {role: table.gate for role, table in roles.items() if table.gate is not None}
    steps = checklist(found, typed(named), article, gates, proofs=proofs(found), enforced=enforced(found))
    if html is not None:
        wiring.write_report(html, found)
    if as_json:
        click.echo(json.dumps(contract(steps)))
    else:
        click.echo("\n".join((*found.notes, *map(safe, checklist_lines(steps)))))
    return 3 if any(step.status == "failed" for step in steps.steps) else 0


def _article(need: Need) -> "tuple[Claim, ...]":
    """The article's figures, from plans of its own machine."""
    from contextlib import closing

    from aidx import wiring
    from aidx.advise.article import article
    from aidx.plan.article import MODEL

    variant = wiring.resolve(MODEL).variant
    assert variant is not None
    with closing(wiring.prober(warm=not need.fast)) as prober:
        return article(variant, prober, fast=need.fast)
