"""``aidx serve``: an OpenAI-compatible endpoint inside the planned budget."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from aidx.cli._options import common, planning, settings, typed
from aidx.cli._types import Variable
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.serve.run import Offer, Pattern

ROLE: Final = "editor"


@click.command()
@click.argument("model", required=False)
@planning
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8411, show_default=True, help="Port; 0: a free one.")
@click.option("--api-key-env", type=Variable(), help="Variable that holds the key that clients must send.")
@click.option("--gate", type=int, help="Most prompt tokens, template included [default: context less --max-tokens].")
@click.option("--max-tokens", type=int, help="Output of a request that asks for none [default: 1024, or context/4].")
@click.option("--max-chat-history-tokens", type=int, help="Most tokens between system text and last user message.")
@click.option(
    "--overflow",
    type=click.Choice(["refuse", "compact"]),
    help="A conversation that is too long: refuse it [default], or leave out its oldest exchanges and say so.",
)
@click.option("--swap/--no-swap", default=False, help="Roles that do not hold together are loaded in turns.")
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
    swap: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Serve MODEL as the role `editor` at http://127.0.0.1:8411/v1.

    Without MODEL the roles of aidx.toml are planned together and served, those that run here. A plan that does
    not hold is not started; with --swap each role must hold alone. The first line on stdout says where the endpoint
    is, as soon as it answers. Ctrl-C, SIGTERM or a terminal that closes ends it after
    at most five seconds.
    """
    from aidx import wiring
    from aidx.cli.plan import planned
    from aidx.plan.contract import as_json as contract
    from aidx.serve.exchange import as_json as as_line
    from aidx.serve.run import Listen, serve
    from aidx.wiring import routing

    plan = planned(model, need, machine, model_options, turns=swap)
    as_contract = contract(plan)
    if as_json and not plan.holds:
        click.echo(json.dumps(as_contract))
        return 3
    wiring.held(plan, f"aidx plan {typed(model)}".strip())
    tell = _silent if quiet else _tell
    bounds = wiring.Bounds(max_tokens, gate, max_chat_history_tokens, overflow)
    tables = {} if model is not None else {str(role): table for role, table in settings().config.roles.items()}
    offered = wiring.offers(plan, tables, bounds, tell, alone=ROLE, swap=swap and model is None)
    offers = routing.staying(offered, settings(), tell)
    patterns = [] if model is not None else _patterns(offers)
    key = None if api_key_env is None else wiring.variable(api_key_env)
    for note in plan.notes:
        tell(f"aidx: note: {note}")
    log = (lambda line: tell(as_line(line))) if verbose else None
    listen = Listen(host, port, key, settings().config.serve.origins)
    serve(offers, listen, as_contract, say=click.echo, tell=tell, log=log, patterns=patterns)
    return 0


def _patterns(offers: "list[Offer]") -> "list[Pattern]":
    """The models that several roles answer for together."""
    from aidx.wiring import cascade, routing

    made = cascade.offered(settings(), offers)
    return [*made, *routing.auto(settings(), offers, cascade.standing(settings(), made))]


def _tell(line: str) -> None:
    """A line on stderr; where nobody reads that any more, as after a terminal was closed, the answers go on."""
    with suppress(OSError):
        click.echo(line, err=True)


def _silent(_: str) -> None:
    """Say nothing."""
