"""``aidx route``: measure the router on labelled prompts, train it on them, and see why it decides."""

import json
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common, settings
from aidx.errors import CheckError, InputError

if TYPE_CHECKING:
    from aidx.advise.router import Judged
    from aidx.patterns.router.measure import Price

SHARE = click.FloatRange(0, 1)


class PriceType(click.ParamType["Price"]):
    """``IN/OUT``: money a million tokens read and written; one number stands for both."""

    name = "IN/OUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Price":  # noqa: ANN401 - click's own signature
        """The price; a usage error for anything that is no amount of money."""
        from math import isfinite

        from aidx.patterns.router.measure import Price

        if isinstance(value, Price):
            return value
        parts = str(value).split("/")
        try:
            amounts = [float(part) for part in parts]
        except ValueError:
            amounts = []
        if not 1 <= len(amounts) <= 2 or not all(isfinite(amount) and amount >= 0 for amount in amounts):
            self.fail(f"{value!r} is no price a million tokens, such as 3/15", param, ctx)
        return Price(amounts[0], amounts[-1])


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
    "--price-editor", type=PriceType(), help="Price of the Editor, a million tokens read/written [default: 0]."
)
@click.option("--price-architect", type=PriceType(), help="Price of the Architect; with it the cost is printed.")
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
    answer_tokens: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Measure the router on the labelled prompts in FILE (JSON lines or CSV; - reads standard input)."""
    del verbose
    from dataclasses import replace

    from aidx.advise.router import ANSWER, Prices, judge
    from aidx.cli._route import as_contract, eval_lines
    from aidx.patterns.router.measure import Price
    from aidx.wiring import routing

    if price_architect is None and (price_editor is not None or answer_tokens is not None):
        raise InputError("the cost needs the price of the Architect", hint="Give --price-architect IN/OUT, say 3/15.")
    rows = routing.labelled(file)
    found = routing.deciding(settings(), router)
    if threshold is not None:
        found = replace(found, router=replace(found.router, threshold=threshold), threshold_from="--threshold")
    prices = None
    if price_architect is not None:
        prices = Prices(price_editor or Price(0.0, 0.0), price_architect, answer_tokens or ANSWER)
    judged = judge(rows, found.router, prices)
    if as_json:
        click.echo(json.dumps(as_contract(judged)))
        return 0 if max_missed is None else _missed(judged, max_missed)
    for line in eval_lines(judged, found.origin, found.threshold_from, file):
        click.echo(line)
    if not quiet:
        for first, second in judged.contradictions[:5]:
            click.echo(f"aidx: note: lines {first} and {second} label the same prompt differently", err=True)
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
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Order of the training.")
@common
def train(
    file: str,
    *,
    out: str | None,
    fresh: bool,
    max_missed: float,
    seed: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Train a router on the labelled prompts in FILE (JSON lines or CSV; - reads standard input)."""
    del verbose
    from pathlib import PurePath

    from aidx.advise import router as advise
    from aidx.cli._route import trained_contract, trained_lines
    from aidx.wiring import routing

    rows = routing.labelled(file)
    prior = None if fresh else routing.shipped_router()
    name = "standard input" if file == "-" else PurePath(file).name
    about = f"{len(rows)} prompts of {name}, from {'nothing' if fresh else 'the shipped router'}, seed {seed}"
    router = advise.train(rows, prior, about=about, seed=seed, most_missed=max_missed)
    path = routing.keep_router(router, out)
    if as_json:
        click.echo(json.dumps(trained_contract(router, path)))
        return 0
    for line in trained_lines(router, path):
        click.echo(line)
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
    from dataclasses import replace

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


def _missed(judged: "Judged", most: float) -> int:
    try:
        judged.check(most)
    except CheckError as said:
        return said.exit_code
    return 0
