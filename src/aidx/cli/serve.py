"""``aidx serve``: an OpenAI-compatible endpoint inside the planned budget."""

import json
from functools import partial
from typing import Any

import click

from aidx.cli._options import common, planning
from aidx.plan.devices import Machine
from aidx.plan.need import Need

ROLE = "editor"


@click.command()
@click.argument("model")
@planning
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8411, show_default=True, help="Port; 0: a free one.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the key that clients must send.")
@click.option("--gate", type=int, help="Most prompt tokens, template included [default: context less --max-tokens].")
@click.option("--max-tokens", type=int, help="Output of a request that asks for none [default: 1024, or context/4].")
@common
def command(
    model: str,
    need: Need,
    machine: Machine,
    model_options: dict[str, Any],
    *,
    host: str,
    port: int,
    api_key_env: str | None,
    gate: int | None,
    max_tokens: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Serve MODEL as the role `editor` at http://127.0.0.1:8411/v1.

    MODEL is planned first; a plan that does not hold is not started. The first line on stdout says where
    the endpoint is, as soon as it answers. Ctrl-C or SIGTERM ends it after at most five seconds.
    """
    del verbose
    from contextlib import closing

    from aidx import wiring
    from aidx.advise import plan as make
    from aidx.plan.contract import as_json as contract
    from aidx.serve.run import Listen, Offer, serve

    found = wiring.resolve(model, **model_options)
    with closing(wiring.prober()) as prober:
        plan = make(found.model, need, machine, prober, found.variant)
    as_contract = contract(plan)
    if as_json and not plan.ledger.holds:
        click.echo(json.dumps(as_contract))
        return 3
    wiring.held(plan)
    limits = wiring.limits(plan, max_tokens=max_tokens, gate=gate)
    cache = sum(account.sum("kv_cache") for account in plan.ledger.accounts)
    key = None if api_key_env is None else wiring.variable(api_key_env)
    tell = _silent if quiet else partial(click.echo, err=True)
    for note in found.notes:
        tell(f"aidx: note: {note}")
    offer = Offer(ROLE, found.model.name, partial(wiring.start, plan, tell), limits, cache // limits.n_ctx)
    serve([offer], Listen(host, port, key), as_contract, say=click.echo, tell=tell)
    return 0


def _silent(_: str) -> None:
    """Say nothing."""
