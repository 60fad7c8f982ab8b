"""``aidx serve``: an OpenAI-compatible endpoint inside the planned budget."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import click

from aidx.cli._options import common, planning, settings
from aidx.errors import InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.plan.result import Plan

ROLE: Final = "editor"


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8411, show_default=True, help="Port; 0: a free one.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the key that clients must send.")
@click.option("--gate", type=int, help="Most prompt tokens, template included [default: context less --max-tokens].")
@click.option("--max-tokens", type=int, help="Output of a request that asks for none [default: 1024, or context/4].")
@click.option("--max-chat-history-tokens", type=int, help="Most tokens between system text and last user message.")
@click.option(
    "--overflow",
    type=click.Choice(["refuse", "compact"]),
    help="A conversation that is too long: refuse it [default], or leave out its oldest exchanges and say so.",
)
@common
def command(
    model: str | None,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    host: str,
    port: int,
    api_key_env: str | None,
    gate: int | None,
    max_tokens: int | None,
    max_chat_history_tokens: int | None,
    overflow: Literal["refuse", "compact"] | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Serve MODEL as the role `editor` at http://127.0.0.1:8411/v1.

    Without MODEL the roles of aidx.toml are planned together, and their editor is served. A plan that does not
    hold is not started. The first line on stdout says where the endpoint is, as soon as it answers. Ctrl-C or
    SIGTERM ends it after at most five seconds.
    """
    from aidx import wiring
    from aidx.plan.contract import as_json as contract
    from aidx.serve.app import as_json as as_line
    from aidx.serve.run import Listen, Offer, serve

    plan, bounds = _planned(model, need, machine, model_options)
    as_contract = contract(plan)
    if as_json and not plan.holds:
        click.echo(json.dumps(as_contract))
        return 3
    wiring.held(plan)
    limits = wiring.limits(
        plan,
        max_tokens=bounds.max_tokens if max_tokens is None else max_tokens,
        gate=bounds.gate if gate is None else gate,
        history=bounds.history if max_chat_history_tokens is None else max_chat_history_tokens,
        overflow=overflow or bounds.overflow or "refuse",
    )
    cache = sum(account.sum("kv_cache") for account in plan.ledger.accounts)
    key = None if api_key_env is None else wiring.variable(api_key_env)
    tell = _silent if quiet else partial(click.echo, err=True)
    for note in plan.notes:
        tell(f"aidx: note: {note}")
    served = plan.roles[0].model
    own = partial(wiring.own_count, served.path or "")
    offer = Offer(ROLE, served.name, partial(wiring.start, plan, tell), limits, cache // limits.n_ctx, own)
    log = (lambda line: tell(as_line(line))) if verbose else None
    serve([offer], Listen(host, port, key), as_contract, say=click.echo, tell=tell, log=log)
    return 0


class _Bounds(NamedTuple):
    """What the role's own table says about its requests."""

    max_tokens: int | None = None
    gate: int | None = None
    history: int | None = None
    overflow: Literal["compact"] | None = None


def _planned(model: str | None, need: Need, machine: Machine, model_options: dict[str, Any]) -> "tuple[Plan, _Bounds]":
    """The plan of what is served, and the bounds of its role."""
    from aidx.cli.plan import planned
    from aidx.plan.deployment.plan import part

    whole = planned(model, need, machine, model_options)
    if model is not None:
        return whole, _Bounds()
    table = settings().config.roles.get(ROLE)
    mine = next((role for role in whole.roles if role.role == ROLE), None)
    if table is None or mine is None or mine.model.source == "cloud":
        raise InputError(
            f"no role {ROLE} runs here, and that is the one that is served",
            hint="Configure [roles.editor] with a model of this machine, or give a MODEL.",
        )
    if not whole.holds:
        return whole, _Bounds()
    return part(whole, ROLE), _Bounds(table.max_tokens, table.gate, table.max_chat_history_tokens, table.overflow)


def _silent(_: str) -> None:
    """Say nothing."""
