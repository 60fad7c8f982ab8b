"""``aidx plan``: the ledger, the verdict and the longest context."""

import json
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common, planning, settings
from aidx.errors import InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.plan.result import Plan


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--explain", is_flag=True, help="Print the equations with the numbers filled in.")
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write the report as one HTML file.")
@common
def command(
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    explain: bool,
    html: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Say whether MODEL fits, to the byte, and how long its context may be.

    MODEL is a .gguf file, a checkpoint's folder, a catalogue or Ollama name (qwen2.5-coder:14b),
    hf.co/ORG/REPO:QUANT, an https address of a .gguf file, or aidx-tiny. Without MODEL, all roles of aidx.toml
    are planned together on the same devices.
    """
    del quiet, verbose  # there is no progress to be quiet about
    from aidx import wiring
    from aidx.cli._text import safe
    from aidx.plan.contract import as_json as contract

    if html is not None:
        wiring.check_page(html)
    plan = planned(model, need, machine, model_options)
    if html is not None:
        wiring.write_report(html, plan)
    if as_json:
        click.echo(json.dumps(contract(plan)))
    elif explain:
        from aidx.plan.explain import explain as equations

        click.echo("\n".join((*plan.notes, *map(safe, equations(plan)))))
    else:
        from aidx.cli._show import plan_lines

        screen = wiring.screen()
        click.echo("\n".join(map(safe, plan_lines(plan, screen.width, plain=screen.plain))))
    return 0 if plan.holds else 3


def planned(
    model: str | None, need: Need, machine: Machine, model_options: dict[str, Any], *, turns: bool = False
) -> "Plan":
    """The plan of *model*, or without one of the roles that are configured, which may take *turns*."""
    from msgspec.structs import replace

    from aidx import wiring

    files = model_options["files"]
    options = {name: value for name, value in model_options.items() if name != "files"}
    if model is None and files.any:
        raise InputError(
            "--lora, --mmproj and --model-draft stand beside one model, and no MODEL is given",
            hint="Give the MODEL that they belong to.",
        )
    roles = None if model is not None else wiring.configured(settings(), need, **options)
    with wiring.asking(need, warm=True) as prober:
        if roles is not None:
            from aidx.advise import deploy

            plan = deploy(roles.members, machine, prober, roles.remotes, turns=turns)
            tables = {str(role): table for role, table in settings().config.roles.items()}
            plan = wiring.within(plan, tables)
            return replace(plan, notes=(*plan.notes, *roles.notes))
        from aidx.advise import plan as make
        from aidx.wiring.proof import calibrated

        assert model is not None
        found = wiring.resolve_for(need.engine, model, **options)
        beside = wiring.beside(files, found.model)
        machine = calibrated(machine, found.model, need)
        plan = make(found.model, need, machine, prober, found.variant, beside=beside)
        return replace(plan, notes=(*plan.notes, *found.notes))
