"""``aidx stress``: a plan at its peak, under a ceiling that the system enforces."""

import json
from typing import TYPE_CHECKING, Any, Final

import click

from aidx.cli._endings import end_as_interrupted
from aidx.cli._options import common, planning
from aidx.cli._stress import Ask, Run, at_endpoint, of_plan
from aidx.cli._types import Size, Variable
from aidx.errors import InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aidx.budget.proof import Proof
    from aidx.plan.result import Plan

EXIT: Final = {"HOLDS": 0, "DOES_NOT_HOLD": 5, "NOT_PROVEN": 4}
MOST_INPUT: Final = 8 << 20  # bytes: what the endpoint takes, too


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--role", help="Role of aidx.toml to prove, as it is planned beside the others [default: all].")
@click.option("--ceiling", type=Size(), help="Hard limit on the engine's RAM [default: the RAM that is planned].")
@click.option("--twin", is_flag=True, help="Show the same model unplanned (engine defaults) under the same ceiling.")
@click.option(
    "--input",
    "text",
    type=click.Path(dir_okay=False),
    help="The longest input that is expected, as a text file [default: generated code].",
)
@click.option("--turns", type=click.IntRange(6, 10_000), default=48, show_default=True, help="Turns of conversation.")
@click.option(
    "--url",
    metavar="URL",
    help="What runs already, aidx serve or an --engine: loaded and watched, not proved.",
)
@click.option("--api-key-env", type=Variable(), help="Variable that holds the key that the engine at --url wants.")
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write the report as one HTML file.")
@common
def command(
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    role: str | None,
    ceiling: int | None,
    twin: bool,
    text: str | None,
    turns: int,
    url: str | None,
    api_key_env: str | None,
    html: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Prove that the plan of MODEL holds: at its peak, under a hard ceiling equal to it.

    The engine is started as planned inside a control group that kills it for one page more than was planned. Its KV
    pool is filled on all slots, a conversation goes on for many turns, more clients come than there are slots, and
    one asks for one token too many. Without MODEL, the roles of aidx.toml are proved one after the other, or, where
    none is configured, aidx-tiny, which takes a few seconds. HOLDS is exit 0, DOES NOT HOLD 5, NOT PROVEN 4.
    """
    del verbose
    from aidx import wiring
    from aidx.cli._stress_roles import of_roles
    from aidx.stress.load import Load

    end_as_interrupted()
    if html is not None:
        wiring.check_page(html)
    _check(model, role, url, api_key_env, twin=twin, ceiling=ceiling)
    key = None if api_key_env is None else wiring.variable(api_key_env)
    tell = _silent if quiet or as_json else _progress
    ask = Ask(model, need, machine, model_options, url, key, Load(turns, _read(text)), tell, role)
    if ask.endpoint:
        run = at_endpoint(ask)
    else:
        plan = ask.plan()
        if as_json and not plan.holds:
            return _refused(plan)
        if ask.deployment:
            runs = of_roles(ask, plan)
            if len(runs) > 1:
                proof = _in_turn(runs, plan, twin=twin, ceiling=ceiling)
                _show(proof, "the deployment", html, as_json=as_json)
                return EXIT[proof.verdict]
            run = next(iter(runs.values()))
        else:
            run = of_plan(ask, plan)
    proof = _proved(run, ceiling, twin=twin, keep=url is None)
    _show(proof, run.subject.name, html, as_json=as_json)
    return EXIT[proof.verdict]


def _proved(run: Run, ceiling: int | None, *, twin: bool = False, keep: bool = True) -> "Proof":
    """The proof of one process; it is kept where it is one of the plan under its own ceiling."""
    from msgspec.structs import replace

    from aidx.stress.run import prove
    from aidx.wiring.proof import keep_proof

    proof = prove(run.bench, run.subject, ceiling)
    if twin and proof.evidence.kind != "none":
        from aidx.stress.run.twin import unplanned

        proof = replace(proof, twin=unplanned(run.bench, run.subject, proof.evidence.ceiling))
    if ceiling is None and keep:
        keep_proof(proof)
    return proof


def _in_turn(runs: "Mapping[str, Run]", plan: "Plan", *, twin: bool, ceiling: int | None) -> "Proof":
    """The proof of *plan* from those of its processes, one after the other."""
    from aidx.stress.together import together

    for name, given in (("--twin", twin), ("--ceiling", ceiling is not None)):
        if given:
            raise InputError(f"{name} is for one role, and {', '.join(runs)} are proved", hint="Name one with --role.")
    return together(plan, {role: _proved(run, None) for role, run in runs.items()})


def _refused(plan: "Plan") -> int:
    from aidx.plan.contract import as_json

    click.echo(json.dumps(as_json(plan)))
    return 3


def _check(
    model: str | None, role: str | None, url: str | None, api_key_env: str | None, *, twin: bool, ceiling: int | None
) -> None:
    """``InputError`` for options that do not go together."""
    if ceiling == 0:
        raise InputError("a ceiling of 0 bytes holds no engine", hint="Give one such as --ceiling 8GiB, or none.")
    if role is not None and (model is not None or url is not None):
        raise InputError("--role names a role of aidx.toml, and MODEL a model or --url an engine", hint="Give one.")
    if url is None and api_key_env is not None:
        raise InputError("--api-key-env is for an engine at --url", hint="Give both, or none.")
    if url is not None and (twin or ceiling is not None):
        raise InputError(
            "--ceiling and --twin are for an engine that is started here",
            hint="Leave them out, or leave --url out and have it started.",
        )


def _read(path: str | None) -> str:
    """The expected input; ``InputError`` for what is no text."""
    if path is None:
        return ""
    from aidx.wiring.proof import text_of

    found = text_of(path, MOST_INPUT)
    if not found.strip():
        raise InputError(f"{path} is empty", hint="Name a file with the longest input that you expect.")
    return found


def _show(proof: "Proof", name: str, html: str | None, *, as_json: bool) -> None:
    from aidx import wiring
    from aidx.cli._text import safe
    from aidx.stress.contract import as_json as contract
    from aidx.stress.words import lines

    if html is not None:
        from aidx.page.proof import render

        wiring.write_page(html, render(proof, name))
    if as_json:
        click.echo(json.dumps(contract(proof)))
    else:
        click.echo("\n".join(map(safe, lines(proof, name))))


def _progress(line: str) -> None:
    click.echo(f"aidx: {line}", err=True)


def _silent(_: str) -> None:
    """Say nothing."""
