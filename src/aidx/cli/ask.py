"""``aidx ask``: one request, from the command line."""

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from aidx.cli._options import common
from aidx.cli._prompt import text_of
from aidx.cli._types import Variable
from aidx.errors import InputError
from aidx.plan import engines

if TYPE_CHECKING:
    from aidx.gate.admit import RefusedError
    from aidx.gate.reply import Reply
    from aidx.patterns.prompt import Prompt
    from aidx.patterns.schema.shape import Shape
    from aidx.patterns.vocabulary import Answer
    from aidx.plan.devices import Machine
    from aidx.plan.result import Plan
    from aidx.serve.wire import Parsed

Write = Callable[[str], object]
HERE = "http://127.0.0.1:8411"
MODEL = "aidx-tiny"
EMBEDDED = "embedded"
SCHEMA = "aidx.ask/1"


class Who(NamedTuple):
    """Who is to answer, as it was typed; at most one of them, and the *engine* for a model started here."""

    model: str | None
    role: str | None
    pattern: str | None
    engine: str | None = None

    @property
    def name(self) -> str | None:
        """What an endpoint calls it."""
        return self.model or self.role or self.pattern


class Asked(NamedTuple):
    """The answer, who gave it, and over which endpoint (``None``: a model started for it)."""

    model: str
    reply: "Reply"
    endpoint: str | None


@click.command()
@click.argument("prompt")
@click.option("--model", help=f"Model to ask [default: what the endpoint serves; without one, {MODEL}].")
@click.option(
    "--engine", type=click.Choice(engines.names()), help="Engine that is started for --model [default: embedded]."
)
@click.option("--role", help="Role of aidx.toml to ask, or of the endpoint.")
@click.option("--pattern", type=click.Choice(["cascade", "auto"]), help="Let several roles answer together.")
@click.option("--schema", metavar="FILE|MODULE:TYPE", help="JSON Schema, or type, that the answer must satisfy.")
@click.option(
    "--strict", is_flag=True, help="Refuse a schema that is not enforced in full while the answer is written."
)
@click.option("--system", help="System text before the prompt.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of the answer.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0: the same answer every time.")
@click.option("--url", default=HERE, show_default=True, help="Endpoint to use if it runs; '' uses none.")
@click.option("--api-key-env", type=Variable(), help="Variable that holds the endpoint's key.")
@common
def command(
    prompt: str,
    *,
    model: str | None,
    engine: str | None,
    role: str | None,
    pattern: str | None,
    schema: str | None,
    strict: bool,
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

    A running `aidx serve` answers if it serves the model, the role or the pattern; otherwise what is asked is planned,
    started for this one request, and stopped. An answer with a schema, and one by a pattern, is printed when it has
    been checked.
    """
    del verbose
    from aidx import wiring
    from aidx.gate.admit import RefusedError

    if sum(one is not None for one in (model, role, pattern)) > 1:
        raise InputError("--model, --role and --pattern each say who answers", hint="Give one of them.")
    if engine is not None and (role or pattern):
        raise InputError("--engine is for --model: a role has its own", hint="Leave it out, or name a --model.")
    text = text_of(prompt)
    messages = [{"role": "system", "content": system}] if system else []
    request: dict[str, object] = {
        "messages": [*messages, {"role": "user", "content": text}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": temperature,
        **({} if max_tokens is None else {"max_tokens": max_tokens}),
        **({} if schema is None else {"response_format": _format(schema, strict=strict)}),
    }
    key = None if api_key_env is None else wiring.variable(api_key_env)
    write = _silent if as_json else _echo
    try:
        asked = _ask(request, Who(model, role, pattern, engine), url, key, write)
    except RefusedError as refused:
        if not as_json:
            raise
        click.echo(json.dumps(_refused(refused)))
        return refused.exit_code
    click.echo(json.dumps(_answered(asked)) if as_json else "")
    if pattern == "auto" and not quiet:
        click.echo(f"aidx: {asked.reply.told.get('route') or asked.model}", err=True)
    if asked.reply.finish_reason == "length" and not quiet:
        click.echo(f"aidx: the answer was cut after {asked.reply.usage.get('completion_tokens')} tokens", err=True)
    return 0


def _format(reference: str, *, strict: bool) -> dict[str, object]:
    """The schema that *reference* names, as a request says it."""
    from aidx.patterns.schema.types import schema_of
    from aidx.wiring.answering import named

    found = named(reference)
    document = found if isinstance(found, bool) else schema_of(found)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": document, "strict": strict}}


def _ask(request: dict[str, object], who: Who, url: str, key: str | None, write: Write) -> Asked:
    """Ask the endpoint if it offers who is meant, else models of our own."""
    from aidx import wiring
    from aidx.gate.run import relay
    from aidx.serve.wire import parse

    endpoint = wiring.endpoint(url, key) if url and who.engine is None else None
    if endpoint is not None and (who.name is None or who.name in endpoint.models):
        name = who.name or endpoint.models[0]
        body = json.dumps({"model": name, **request}).encode()
        shape = parse(body).shape  # what is wrong with it is said here, in the same words
        reply = relay(endpoint.stream(body), write)
        if shape is not None:
            _keep_enforced(endpoint.url, key, name, shape, reply)
        return Asked(name, reply, endpoint.url)
    name = who.name or MODEL
    parsed = parse(json.dumps({"model": name, **request}).encode())
    if who.role is None and who.pattern is None and parsed.shape is None:
        return _streamed(name, who.engine or EMBEDDED, parsed.prompt, write)
    found = _by(who, parsed)
    write(found.text)
    return Asked(name if who.role is None and who.pattern is None else found.role, _reply(found), None)


def _keep_enforced(url: str, key: str | None, name: str, shape: "Shape", reply: "Reply") -> None:
    """Keep for ``aidx checklist`` that the model *name* at *url* wrote by the grammar of *shape*, if it did at once."""
    from aidx.wiring.proof import keep_enforced_at, says_something

    written = sum(step["purpose"] not in {"verdict", "route"} for step in reply.told.get("trail", ()))
    if says_something(shape, written, weakened=bool(reply.told.get("weakened"))):
        keep_enforced_at(url, key, name)


def _streamed(name: str, engine: str, prompt: "Prompt", write: Write) -> Asked:
    """The answer of a model of our own, as it comes."""
    from aidx import wiring
    from aidx.gate.run import ask

    machine = wiring.machine()
    plan = _planned(name, engine, machine)
    reply = ask(partial(wiring.start, plan), wiring.limits(plan), prompt, write)
    wiring.keep_speed(plan, machine, reply.timing)
    return Asked(name, reply, None)


def _by(who: Who, parsed: "Parsed") -> "Answer":
    """The answer of models of our own that is checked before it is printed."""
    from aidx.cli._options import settings
    from aidx.wiring import answering

    if who.pattern is not None:
        return answering.by_pattern(parsed.prompt, who.pattern, settings(), parsed.shape)
    if who.role is not None:
        return answering.by_role(parsed.prompt, who.role, settings(), parsed.shape)
    return answering.by_model(parsed.prompt, who.model or MODEL, parsed.shape, engine=who.engine or EMBEDDED)


def _reply(found: "Answer") -> "Reply":
    """*found* as an endpoint would have said it."""
    from aidx.gate.reply import Reply
    from aidx.serve.replay import told

    tokens = {"prompt_tokens": found.said.prompt_tokens, "completion_tokens": found.said.completion_tokens}
    return Reply(found.text, found.said.finish, tokens, told=told(found), complete=True)


def _planned(name: str, engine: str, machine: "Machine") -> "Plan":
    from contextlib import closing

    from aidx import wiring
    from aidx.advise import plan
    from aidx.plan.need import Need

    found = wiring.resolve_for(engine, name)
    with closing(wiring.prober()) as prober:
        return wiring.held(plan(found.model, Need(engine=engine), machine, prober, found.variant))


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
        **({"trail": reply.told["trail"]} if reply.told else {}),
        **{name: reply.told[name] for name in ("route", "weakened", "bounded") if name in reply.told},
    }


def _refused(refused: "RefusedError") -> dict[str, object]:
    error = {"code": refused.code, "message": str(refused), "hint": refused.hint, **refused.numbers}
    return {"schema": SCHEMA, "refused": error}


def _echo(text: str) -> None:
    """Write the text as it comes."""
    click.echo(text, nl=False)


def _silent(_: str) -> None:
    """Write nothing: the answer is printed whole."""
