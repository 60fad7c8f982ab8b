"""``aidx export``: a plan as another tool's settings."""

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import click
from msgspec.structs import replace

from aidx import export
from aidx.budget.split import parts_text
from aidx.cli._options import FILE, MIB, common, machine_typed, planning, settings
from aidx.cli._types import Variable
from aidx.errors import InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.export.given import Given
    from aidx.plan.result import Plan, RolePlan
    from aidx.wiring.engines import Filled

SCHEMA = "aidx.export/1"


@click.command()
@click.argument("target", metavar="TARGET", type=click.Choice(export.targets()))
@click.argument("model", required=False)
@planning
@click.option("--url", metavar="URL", help="Endpoint for clients [default: that of `aidx serve` with these settings].")
@click.option(
    "--api-key-env",
    metavar="NAME",
    type=Variable(),
    help="Variable that holds the endpoint's key; its value is never read.",
)
@click.option("-o", "--output", metavar="DIR", help="Write the files into this folder instead of standard output.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@common
def command(
    target: str,
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    url: str | None,
    api_key_env: str | None,
    output: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Say what is planned in the words of another tool.

    TARGET is llama-server, llama-preset, llama-swap, ollama or vllm, which then run the model as planned; aider,
    opencode or continue, which are pointed at `aidx serve`; or systemd, which runs that. Without MODEL the roles of
    aidx.toml are exported.
    """
    del verbose
    from aidx.cli.plan import planned
    from aidx.wiring import exports

    plan = _placed(planned(model, need, machine, model_options))
    found = export.find(target).export(_given(plan, model, _filled(plan, model), url=url, key=api_key_env))
    notes = tuple(dict.fromkeys((*plan.notes, *found.notes)))
    if output is not None:
        exports.write_files(output, [(file.name, file.text, file.program) for file in found.files], force=force)
    if as_json:
        files = [{"name": file.name, "text": file.text} for file in found.files]
        report = {"schema": SCHEMA, "target": target, "plan_hash": plan.plan_hash, "files": files, "notes": list(notes)}
        click.echo(json.dumps(report))
    elif output is None:
        for file in found.files:
            click.echo((f"==> {file.name} <==\n" if len(found.files) > 1 else "") + file.text, nl=False)
    tell = partial(click.echo, err=True)
    if not quiet:
        for file in found.files if output is not None else ():
            tell(f"aidx: wrote {Path(output or '') / file.name}")
        for note in notes:
            tell(f"aidx: {note}")
    return 0


def _placed(plan: "Plan") -> "Plan":
    """*plan* with files that are found from any folder."""
    roles = (
        role if role.model.path is None else replace(role, model=replace(role.model, path=_absolute(role.model.path)))
        for role in plan.roles
    )
    return replace(plan, roles=tuple(roles))


def _absolute(path: str) -> str:
    """*path* from the root; ``InputError`` for a name that other programs' settings cannot hold."""
    found = next((letter for letter in path if category(letter) in {"Cc", "Cs", "Zl", "Zp"}), None)
    if found is not None:
        raise InputError(
            f"{path}: its name has the character {found!a}, which the settings of other programs cannot hold",
            hint="Rename the file.",
        )
    return str(Path(path).absolute())


def _filled(plan: "Plan", model: str | None) -> "tuple[Filled, ...]":
    from aidx.wiring import engines

    if model is not None:
        return (engines.fill(plan),)
    return engines.fill_all(plan, {str(name): table for name, table in settings().config.roles.items()})


def _given(
    plan: "Plan", model: str | None, filled: "tuple[Filled, ...]", *, url: str | None, key: str | None
) -> "Given":
    from aidx.export.given import Given, Offered

    served = settings().config.serve
    offered = tuple(
        Offered(one.role, one.limits.n_ctx_seq, one.limits.gate, one.limits.max_tokens, one.limits.history)
        for one in filled
    )
    return Given(
        plan,
        offered,
        (url or f"http://{served.host}:{served.port}").removesuffix("/").removesuffix("/v1"),
        key or served.api_key_env,
        _serve(plan, model, key),
        _repositories(plan),
    )


def _serve(plan: "Plan", model: str | None, key: str | None) -> tuple[str, ...]:
    """The command that serves exactly this plan."""
    words = [str(Path(sys.argv[0]).absolute()), "serve"]
    if model is None:
        named = click.get_current_context().meta.get(FILE) or "aidx.toml"
        words += ["--config", str(Path(named).resolve())]
    else:
        here = Path(model)
        words += [str(here.resolve()) if here.exists() else model, *_flags(plan.roles[0])]
        words += shlex.split(machine_typed())
    return (*words, *([] if key is None else ["--api-key-env", key]))


def _flags(role: "RolePlan") -> list[str]:
    """The settings of *role*, as our own options have them."""
    chosen, beside = role.settings, role.beside
    words = [
        *("--ctx-size", str(chosen.ctx_size), "--parallel", str(chosen.parallel)),
        *("--cache-type-k", chosen.cache_type_k, "--cache-type-v", chosen.cache_type_v),
        *("--batch-size", str(chosen.batch_size), "--ubatch-size", str(chosen.ubatch_size)),
        *("--n-gpu-layers", str(chosen.n_gpu_layers), "--n-cpu-moe", str(chosen.n_cpu_moe)),
        *("--flash-attn", "on" if chosen.flash_attn else "off"),
        "--kv-unified" if chosen.kv_unified else "--no-kv-unified",
        "--swa-full" if chosen.swa_full else "--no-swa-full",
        *("--cache-ram", str(chosen.cache_ram // MIB), "--ctx-checkpoints", str(chosen.ctx_checkpoints)),
        *("--split-mode", chosen.split_mode, "--main-gpu", str(chosen.main_gpu), "--engine", role.engine),
    ]
    if chosen.tensor_split:
        words += ["--tensor-split", parts_text(chosen.tensor_split)]
    words += [word for adapter in beside.loras for word in ("--lora", adapter.path)]
    if beside.projector is not None:
        words += ["--mmproj", beside.projector.path]
    if beside.draft is not None:
        words += ["--model-draft", beside.draft.path or beside.draft.name]
    return words


def _repositories(plan: "Plan") -> tuple[tuple[str | None, str], ...]:
    """Where the catalogue has its models from."""
    from aidx.wiring.exports import repositories

    known = repositories()
    return tuple((role.role, known[role.model.name]) for role in plan.roles if role.model.name in known)
