"""``aidx ask``: one request, from the command line."""

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from aidx.cli._options import common
from aidx.cli._prompt import text_of

if TYPE_CHECKING:
    from aidx.gate.admit import RefusedError
    from aidx.gate.reply import Reply
    from aidx.plan.devices import Machine
    from aidx.plan.result import Plan

Write = Callable[[str], object]
HERE = "http://127.0.0.1:8411"
MODEL = "aidx-tiny"
SCHEMA = "aidx.ask/1"


class Asked(NamedTuple):
    """The answer, who gave it, and over which endpoint (``None``: a model started for it)."""

    model: str
    reply: "Reply"
    endpoint: str | None


@click.command()
@click.argument("prompt")
@click.option("--model", help=f"Model to ask [default: what the endpoint serves; without one, {MODEL}].")
@click.option("--system", help="System text before the prompt.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of the answer.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0: the same answer every time.")
@click.option("--url", default=HERE, show_default=True, help="Endpoint to use if it runs; '' uses none.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the endpoint's key.")
@common
def command(
    prompt: str,
    *,
    model: str | None,
    system: str | None,
    max_tokens: int | None,
    temperature: float,
    url: str,
    api_key_env: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Ask a model PROMPT (- reads standard input) and print its answer as it comes.

    A running `aidx serve` answers if it serves the model; otherwise the model is planned, started for this
    one request, and stopped.
    """
    del verbose
    from aidx import wiring
    from aidx.gate.admit import RefusedError

    text = text_of(prompt)
    messages = [{"role": "system", "content": system}] if system else []
    request = {
        "messages": [*messages, {"role": "user", "content": text}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": temperature,
        **({} if max_tokens is None else {"max_tokens": max_tokens}),
    }
    key = None if api_key_env is None else wiring.variable(api_key_env)
    write = _silent if as_json else _echo
    try:
        asked = _ask(request, model, url, key, write)
    except RefusedError as refused:
        if not as_json:
            raise
        click.echo(json.dumps(_refused(refused)))
        return refused.exit_code
    click.echo(json.dumps(_answered(asked)) if as_json else "")
    if asked.reply.finish_reason == "length" and not quiet:
        click.echo(f"aidx: the answer was cut after {asked.reply.usage.get('completion_tokens')} tokens", err=True)
    return 0


def _ask(request: dict[str, object], model: str | None, url: str, key: str | None, write: Write) -> Asked:
    """Ask the endpoint if it serves the model, else a model of our own."""
    from aidx import wiring
    from aidx.gate.run import ask, relay
    from aidx.serve.wire import parse

    endpoint = wiring.endpoint(url, key) if url else None
    if endpoint is not None and (model is None or model in endpoint.models):
        name = model or endpoint.models[0]
        body = json.dumps({"model": name, **request}).encode()
        parse(body)  # what is wrong with it is said here, in the same words
        return Asked(name, relay(endpoint.stream(body), write), endpoint.url)
    name = model or MODEL
    prompt = parse(json.dumps({"model": name, **request}).encode()).prompt
    machine = wiring.machine()
    plan = _planned(name, machine)
    reply = ask(partial(wiring.start, plan), wiring.limits(plan), prompt, write)
    wiring.keep_speed(plan, machine, reply.timing)
    return Asked(name, reply, None)


def _planned(name: str, machine: "Machine") -> "Plan":
    from contextlib import closing

    from aidx import wiring
    from aidx.advise import plan
    from aidx.plan.need import Need

    found = wiring.resolve(name)
    with closing(wiring.prober()) as prober:
        return wiring.held(plan(found.model, Need(), machine, prober, found.variant))


def _answered(asked: Asked) -> dict[str, object]:
    reply = asked.reply
    return {
        "schema": SCHEMA,
        "answer": reply.text,
        "model": asked.model,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.usage.get("prompt_tokens"),
        "completion_tokens": reply.usage.get("completion_tokens"),
        "endpoint": asked.endpoint,
    }


def _refused(refused: "RefusedError") -> dict[str, object]:
    error = {"code": refused.code, "message": str(refused), "hint": refused.hint, **refused.numbers}
    return {"schema": SCHEMA, "refused": error}


def _echo(text: str) -> None:
    """Write the text as it comes."""
    click.echo(text, nl=False)


def _silent(_: str) -> None:
    """Write nothing: the answer is printed whole."""
