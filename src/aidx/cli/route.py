"""``aidx route``: measure the router on labelled prompts, train it on them, and see why it decides."""

import json
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common, settings
from aidx.errors import CheckError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aidx.advise.router import Judged, Prices
    from aidx.budget.prices import Price
    from aidx.patterns.router.labelled import Labelled
    from aidx.wiring.routing import Deciding

SHARE = click.FloatRange(0, 1)


class PriceType(click.ParamType["Price"]):
    """``IN/OUT``: money a million tokens read and written; one number stands for both."""

    name = "IN/OUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Price":  # noqa: ANN401 - click's own signature
        """The price; a usage error for anything that is no amount of money."""
        from aidx.budget.prices import Price, parse_price

        if isinstance(value, Price):
            return value
        try:
            return parse_price(str(value))
        except InputError as wrong:
            self.fail(str(wrong), param, ctx)


@click.group()
def command() -> None:
    """Measure, train and explain the router that decides between Editor and Architect."""


@command.command("eval")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--router", metavar="FILE", help="Router to measure [default: .aidx/router.json, else the shipped one].")
@click.option(
    "--threshold", type=SHARE, help="Escalate from this probability on [default: [route], else the router's]."
)
@click.option("--max-missed", type=SHARE, help="Exit 5 if a larger share of the complex prompts is missed.")
@click.option(
    "--price-editor",
    type=PriceType(),
    help="Price of the Editor, a million tokens read/written [default: its price in aidx.toml, else 0].",
)
@click.option(
    "--price-architect",
    type=PriceType(),
    help="Price of the Architect; with it, or its price in aidx.toml, the cost is printed.",
)
@click.option("--gatekeeper", is_flag=True, help="Measure the gatekeeper of aidx.toml, asking it about each prompt.")
@click.option(
    "--answer-tokens", type=click.IntRange(min=1), help="Tokens of an answer where FILE has none [default: 400]."
)
@common
def evaluate(
    file: str,
    *,
    router: str | None,
    threshold: float | None,
    max_missed: float | None,
    price_editor: "Price | None",
    price_architect: "Price | None",
    gatekeeper: bool,
    answer_tokens: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Measure the router on the labelled prompts in FILE (JSON lines or CSV; - reads standard input)."""
    del verbose
    from msgspec.structs import replace

    from aidx.advise.router import judge
    from aidx.cli._route import as_contract, eval_lines
    from aidx.wiring import routing

    prices = _prices(price_editor, price_architect, answer_tokens)
    rows = routing.labelled(file)
    found = routing.deciding(settings(), router)
    if threshold is not None:
        found = replace(found, router=replace(found.router, threshold=threshold), threshold_from="--threshold")
    odds = _calibrated(rows, found) if gatekeeper else None
    judged = judge(rows, found.router, prices, odds)
    if as_json:
        click.echo(json.dumps(as_contract(judged)))
        return 0 if max_missed is None else _missed(judged, max_missed)
    judging = "gatekeeper" if gatekeeper else found.threshold_from
    for line in eval_lines(judged, found.origin, judging, file):
        click.echo(line)
    if not quiet:
        _notes(judged)
    if max_missed is not None:
        judged.check(max_missed)
    return 0


@command.command("train")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--out", metavar="FILE", help="Where to write it [default: .aidx/router.json, which then decides].")
@click.option("--fresh", is_flag=True, help="Start from nothing instead of from the shipped router.")
@click.option(
    "--max-missed", type=SHARE, default=0.1, show_default=True, help="Share of complex prompts that may be missed."
)
@click.option("--gatekeeper", is_flag=True, help="Calibrate the gatekeeper of aidx.toml too: it is asked about each.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Order of the training.")
@common
def train(
    file: str,
    *,
    out: str | None,
    fresh: bool,
    max_missed: float,
    gatekeeper: bool,
    seed: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Train a router on the labelled prompts in FILE (JSON lines or CSV; - reads standard input)."""
    del verbose
    from pathlib import PurePath

    from msgspec.structs import replace

    from aidx.advise import router as advise
    from aidx.cli._route import trained_contract, trained_lines
    from aidx.wiring import routing

    rows = routing.labelled(file)
    prior = None if fresh else routing.shipped_router()
    name = "standard input" if file == "-" else PurePath(file).name
    about = f"{len(rows)} prompts of {name}, from {'nothing' if fresh else 'the shipped router'}, seed {seed}"
    router = advise.train(rows, prior, about=about, seed=seed, most_missed=max_missed)
    if gatekeeper:
        model = settings().config.roles["gatekeeper"].model if "gatekeeper" in settings().config.roles else None
        kept = advise.gatekept(rows, _verdicts(rows), model=model or "", most_missed=max_missed, seed=seed)
        router = replace(router, gatekeeper=kept)
    path = routing.keep_router(router, out)
    if as_json:
        click.echo(json.dumps(trained_contract(router, path)))
        return 0
    for line in trained_lines(router, path):
        click.echo(line)
    if not quiet and (known := advise.seen(rows, prior)):
        click.echo(f"aidx: note: the shipped router was trained on {known} of these prompts: figures flatter", err=True)
    if out is None and not quiet:
        click.echo(f"aidx: {path} decides from now on in this folder; delete it to go back", err=True)
    return 0


@command.command("explain")
@click.argument("prompt")
@click.option("--router", metavar="FILE", help="Router to ask [default: .aidx/router.json, else the shipped one].")
@click.option("--top", type=click.IntRange(min=0), default=8, show_default=True, help="Features that are shown.")
@click.option("--local-only", is_flag=True, help="As with local_only = true in [route].")
@common
def explain(
    prompt: str,
    *,
    router: str | None,
    top: int,
    local_only: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Show why PROMPT (- reads standard input) goes where it goes: rules, score, features, threshold, decision."""
    del quiet, verbose
    from msgspec.structs import replace

    from aidx.advise.router import explain as explained
    from aidx.cli._prompt import text_of
    from aidx.cli._route import explain_contract, explain_lines
    from aidx.wiring import routing

    found = routing.deciding(settings(), router)
    terms, assumed = routing.terms(settings())
    if local_only:
        terms = replace(terms, local_only=True)
    told = explained(text_of(prompt), terms, found.judge(settings()))
    if as_json:
        click.echo(json.dumps(explain_contract(told, found, top)))
        return 0
    for line in explain_lines(told, found, assumed, top):
        click.echo(line)
    return 0


def _prices(editor: "Price | None", architect: "Price | None", answer_tokens: int | None) -> "Prices | None":
    from aidx.advise.router import ANSWER, Prices
    from aidx.budget.prices import FREE

    given = editor
    editor, architect = editor or _configured("editor"), architect or _configured("architect")
    if architect is not None:
        return Prices(editor or FREE, architect, answer_tokens or ANSWER)
    if given is not None or answer_tokens is not None:
        raise InputError(
            "the cost needs the price of the Architect",
            hint="Give --price-architect IN/OUT, say 3/15, or write price into [roles.architect].",
        )
    return None


def _configured(role: str) -> "Price | None":
    from aidx.budget.prices import parse_price

    table = settings().config.roles.get(role)  # type: ignore[call-overload]
    return None if table is None or table.price is None else parse_price(table.price)


def _notes(judged: "Judged") -> None:
    """What makes the figures worth less."""
    if judged.seen:
        click.echo(f"aidx: note: the router was trained on {judged.seen} of these prompts: it knows them", err=True)
    for first, second in judged.contradictions[:5]:
        click.echo(f"aidx: note: lines {first} and {second} label the same prompt differently", err=True)


def _calibrated(rows: "Sequence[Labelled]", found: "Deciding") -> "list[float | None]":
    """What the gatekeeper says, where its verdicts have been calibrated."""
    if found.judge(settings()).gatekeeper is None:
        raise InputError("the gatekeeper is not calibrated", hint="Run aidx route train FILE --gatekeeper first.")
    return _verdicts(rows)


def _verdicts(rows: "Sequence[Labelled]") -> "list[float | None]":
    """What the configured gatekeeper says of each prompt; blocks while it is asked."""
    from aidx.advise.router import verdicts
    from aidx.wiring import routing

    filled = routing.gatekeeper(settings())
    return verdicts([row.prompt for row in rows], filled.start, filled.limits)


def _missed(judged: "Judged", most: float) -> int:
    try:
        judged.check(most)
    except CheckError as said:
        return said.exit_code
    return 0
