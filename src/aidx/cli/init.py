"""``aidx init``: a first ``aidx.toml`` for this project and this machine."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from aidx.cli._options import common, planning, typed_in
from aidx.cli._types import size_text
from aidx.errors import BudgetError, InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.config.compose import Draft
    from aidx.plan.choice import Candidate, Choice

SCHEMA = "aidx.init/1"
FILE = "aidx.toml"
CONTEXT = 8192  # what a plan, its files and an answer take, with room; the most of a choice where that is less
TINY = "aidx-tiny"


@click.command()
@click.argument("model", required=False)
@planning
@click.option("-o", "--output", metavar="FILE", default=FILE, show_default=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@common
def command(
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    output: str,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Write aidx.toml: MODEL as the editor, with a context that holds on this machine, and the project's own checks.

    Without MODEL the best of those on this machine is taken, or the best of the catalogue where there is none that
    holds. `max-chat-history-tokens` of an .aider.conf.yml is copied.
    """
    del verbose
    from aidx.config.compose import compose
    from aidx.wiring import project

    if model_options.pop("files").any:
        raise InputError("aidx.toml has no place for files beside a model", hint="Give them to the commands.")
    project.check_new(output, force=force)
    draft, notes = _draft(model, need, machine, model_options)
    found = project.look()
    if found.history is not None:
        draft = replace(draft, history=found.history, origin=".aider.conf.yml")
        if found.history >= draft.ctx_size:
            draft = replace(draft, history=None)
            notes += (f".aider.conf.yml: max-chat-history-tokens {found.history} is the whole context: left out",)
    project.write(output, compose(replace(draft, checks=found.checks)))
    notes += found.doubts
    if as_json:
        report = {"schema": SCHEMA, "path": output, "model": draft.model, "quant": draft.quant}
        click.echo(json.dumps(report | {"ctx_size": draft.ctx_size, "notes": list(notes)}))
        return 0
    tell = partial(click.echo, err=True)
    for note in () if quiet else notes:
        tell(f"aidx: {note}")
    click.echo(f"wrote {output}: editor {draft.model}, context {draft.ctx_size:,}; next: aidx plan")
    return 0


def _draft(
    model: str | None, need: Need, machine: Machine, model_options: dict[str, Any]
) -> "tuple[Draft, tuple[str, ...]]":
    from aidx.config.compose import Draft

    best, notes = _best(model, need, machine, model_options)
    if best is None:
        draft = Draft(TINY, 1024, 256, why="comes with aidx, for trying it out", edit_format="lines")
        return replace(draft, **_machine()), notes
    named = model is not None and model_options["quant"] is None
    context = min(best.ctx_size, best.max_ctx_size or best.ctx_size)  # at most what it was trained for
    draft = Draft(
        best.model if model is None else model,
        context,
        min(1024, max(context // 4, 1)),
        why=f"{best.quantization}, {best.placement}",
        quant=None if named or best.path is not None else best.quantization,
        cache_type_k=best.cache_type_k or "f16",
        cache_type_v=best.cache_type_v or "f16",
        edit_format="lines" if model == TINY else "blocks",
    )
    return replace(draft, **_machine()), notes


def _best(
    model: str | None, need: Need, machine: Machine, model_options: dict[str, Any]
) -> "tuple[Choice | None, tuple[str, ...]]":
    """The best way to run *model*, or the best model; ``None`` where nothing but what comes with aidx holds."""
    from aidx import wiring
    from aidx.wiring import project

    if model is not None:
        # A name without a quantization means that of the plan, not the best that holds.
        meant = wiring.resolve(model, **model_options)
        options = model_options | ({"quant": meant.model.quantization} if meant.variant is not None else {})
        found = _choose(wiring.candidates(model, **options), need, machine, role=None)
        if found is None:
            raise BudgetError(f"{model} does not hold here", hint=f"See the ways out: aidx plan {model}.")
        return found, ()
    here = project.stored_candidates()
    for role in ("editor", None):
        if (found := _choose(here, need, machine, role=role)) is not None:
            unsure = () if role else (f"{found.model} is not known to be right for editing: see aidx roles",)
            return found, unsure
    found = _choose(wiring.candidates(**model_options), need, machine, role="editor")
    if found is None:
        return None, ("no model of the catalogue holds here as an editor: aidx-tiny is written, which always does",)
    return found, (f"no model on this machine holds as an editor; fetch this one: {found.fetch}",)


def _choose(candidates: "tuple[Candidate, ...]", need: Need, machine: Machine, *, role: str | None) -> "Choice | None":
    """The best of *candidates* at the context that is wanted, or the most they have where that is less."""
    from aidx import wiring
    from aidx.advise import choose
    from aidx.plan.choice import CACHES, Terms
    from aidx.plan.roles import ROLES

    if not candidates:
        return None
    chosen = typed_in("cache_type_k") or typed_in("cache_type_v")
    caches = ((need.cache_type_k, need.cache_type_v),) if chosen else CACHES
    contexts = [need.ctx_size] if need.ctx_size is not None else [CONTEXT, CONTEXT // 2, CONTEXT // 8]
    with wiring.asking(need) as prober:
        for ctx_size in contexts:
            asked = replace(need, ctx_size=ctx_size)
            terms = Terms(need=asked, caches=caches, role=None if role is None else ROLES[role])
            found = choose(candidates, terms, machine, prober, wiring.pace()).choices
            if found:
                return found[0]
    return None


def _machine() -> dict[str, Any]:
    """The machine that was typed, for ``[device]``."""
    given = click.get_current_context().params
    typed = {name: given[name] for name in ("vram", "gpu", "host_ram") if typed_in(name)}
    if "vram" in typed:
        typed["vram"] = tuple(size_text(size) for size in typed["vram"])
    if "host_ram" in typed:
        typed["host_ram"] = size_text(typed["host_ram"])
    return typed
