"""``aidx choose``: which models, quantizations, cache types and placements hold here, best first."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from aidx.cli._options import common, machine_typed, planning, typed_in
from aidx.cli._types import Bounded
from aidx.errors import BudgetError, InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need
from aidx.plan.roles import ROLES

if TYPE_CHECKING:
    from aidx.plan.choice import Chosen, Terms


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--role", type=click.Choice(list(ROLES)), help="The role that it is for.")
@click.option("--local", is_flag=True, help="No models of the cloud.")
@click.option("--max-loss", type=Bounded(), help="Most mean divergence (KLD), at its worst published.")
@click.option("--min-tps", type=Bounded(), help="Least tokens a second, measured here or assumed.")
@click.option("--measure", is_flag=True, help="Quantize, measure loss and speed here, prove the winner, keep its file.")
@click.option("--keep", default=".", show_default=True, metavar="DIR", help="With --measure: where the file goes.")
@click.option("--all", "every", is_flag=True, help="All that no other way of the same model betters.")
@common
def command(
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    role: str | None,
    local: bool,
    max_loss: float | None,
    min_tps: float | None,
    measure: bool,
    keep: str,
    every: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Say which models hold on this budget, at which quantization, cache type and placement, best first.

    With MODEL (a .gguf file or a name) only the ways to run that one. Loss, bytes, context and speed are
    weighed against each other: what another way of the same model betters in all of them is left out.
    """
    del verbose
    from aidx import wiring
    from aidx.advise import choose
    from aidx.cli._choices import choice_lines
    from aidx.cli._text import safe
    from aidx.cli._weighing import weighing
    from aidx.plan.choice import CACHES, Terms
    from aidx.plan.choose import checked
    from aidx.plan.chosen import as_json as contract

    typed = typed_in("cache_type_k") or typed_in("cache_type_v")
    if measure:
        asked = _Asked(model, need, machine, model_options, typed, keep)
        return _measured(asked, (max_loss, min_tps), quiet=quiet, as_json=as_json)
    terms = Terms(
        need=checked(need),
        caches=((need.cache_type_k, need.cache_type_v),) if typed else CACHES,
        role=None if role is None else ROLES[role],
        max_loss=max_loss,
        min_tps=min_tps,
        every=every,
        clouds=() if local or model is not None else wiring.clouds(),
    )
    if model_options.pop("files").any:
        raise InputError(
            "--lora, --mmproj and --model-draft belong to one model", hint="Use aidx plan MODEL with them."
        )
    candidates = wiring.candidates(model, **model_options)
    with wiring.asking(need) as prober, weighing(candidates, shown=not quiet and not as_json) as weighed:
        found = choose(weighed, terms, machine, prober, wiring.pace())
    if as_json:
        click.echo(json.dumps(contract(found)))
        return 0 if found.choices else 3
    if not found.choices:
        raise _nothing(found, terms)
    lines = choice_lines(found, terms, machine, machine_typed(), width=wiring.screen().width)
    click.echo("\n".join(map(safe, lines)))
    return 0


def _nothing(found: "Chosen", terms: "Terms") -> BudgetError:
    """That nothing holds, and what came nearest."""
    nearest = "" if found.nearest is None else f": {found.nearest.sentence}"
    return BudgetError(
        f"nothing holds at a context of {terms.need.ctx_size or 8192:,}{nearest}",
        hint="Give a shorter -c, a larger bound, or another --role; aidx plan MODEL shows the ways out of one.",
    )


class _Asked(NamedTuple):
    model: str | None
    need: Need
    machine: Machine
    options: dict[str, Any]
    typed: bool
    keep: str


def _measured(asked: _Asked, bounds: tuple[float | None, float | None], *, quiet: bool, as_json: bool) -> int:
    """``--measure``: the exit code is that of the winner's proof."""
    from aidx.cli._endings import end_as_interrupted
    from aidx.cli._measure import Ask, Bounds, lines, run
    from aidx.cli._text import safe
    from aidx.cli.stress import EXIT

    if asked.model is None:
        raise InputError("--measure starts from one F16 file, and none is named", hint="Name it: aidx choose FILE.")

    def tell(line: str) -> None:
        if not quiet:
            click.echo(f"aidx: {line}", err=True)

    end_as_interrupted()
    ask = Ask(asked.model, asked.need, asked.machine, asked.options, asked.typed, asked.keep, tell)
    report, verdict = run(ask, Bounds(*bounds))
    click.echo(json.dumps(report) if as_json else "\n".join(map(safe, lines(report))))
    return EXIT[verdict]


def _alone(model_options: dict[str, Any]) -> dict[str, Any]:
    """*model_options* without files beside a model, which are refused."""
    if model_options["files"].any:
        raise InputError("--lora, --mmproj and --model-draft stand beside one model", hint="Give them to aidx plan.")
    return {name: value for name, value in model_options.items() if name != "files"}
