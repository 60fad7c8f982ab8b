"""Feeds a pattern with models: every request it yields goes through the gate of its role."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import Gate
from aidx.gate.schema import grammar_of
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.schema.narrow import narrow
from aidx.patterns.schema.shape import Shape
from aidx.patterns.vocabulary import Ask, Command, Effect, Ran, Result, Returned, Said, Steps
from aidx.ports.chat import Enforced

NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9_-]")  # OpenAI's names of schemas have no other characters
Runner = Callable[[Command], Awaitable[Ran]]


async def drive(pattern: Steps[Returned], gates: Mapping[str, Gate], runner: Runner | None = None) -> Returned:
    """What *pattern* returns; its roles are asked through *gates*, its commands *runner* runs.

    What goes wrong with a request (``EngineError``, ``RefusedError``, ``InputError``) is raised inside the pattern;
    what that does not catch, it raises.
    """
    result: Result | AidxError | None = None
    try:
        while True:
            try:
                effect = advance(pattern, result)
            except StopIteration as stop:
                found: Returned = stop.value
                return found
            try:
                result = await perform(effect, gates, runner)
            except AidxError as error:
                result = error
    finally:
        pattern.close()


def advance(pattern: Steps[Returned], result: Result | AidxError | None) -> Effect:
    """What *pattern* wants next, told *result* of what it wanted before (``None``: it begins)."""
    if isinstance(result, AidxError):
        return pattern.throw(result)
    return next(pattern) if result is None else pattern.send(result)


async def perform(effect: Effect, gates: Mapping[str, Gate], runner: Runner | None) -> Result:
    """What became of *effect*; raises what goes wrong with it."""
    if isinstance(effect, Ask):
        return await _asked(effect, gates)
    if runner is None:
        raise InputError(f"the check {effect.name} cannot be run here", code="check_not_available")
    return await runner(effect)


async def _asked(ask: Ask, gates: Mapping[str, Gate]) -> Said:
    gate = gates.get(ask.role)
    if gate is None:
        raise InputError(
            f"no role {ask.role} can be asked here; there is: {', '.join(gates) or 'none'}", code="role_not_configured"
        )
    prompt = ask.prompt
    enforced: Enforced = "none" if ask.shape is None else gate.enforces()
    if ask.shape is not None:
        prompt = _held(prompt, ask.shape, enforced)
    if ask.top:
        prompt = prompt.also(logprobs=True, top_logprobs=ask.top)
    whole = prompt.also() if prompt.stream else prompt
    try:
        return await _through(gate, whole)
    except InputError as error:
        if enforced != "documented" or error.code != "invalid_request":
            raise
        return await _through(gate, whole.also(response_format=None))  # an older model: the words are there too


def _held(prompt: Prompt, shape: Shape, enforced: Enforced) -> Prompt:
    """*prompt* with what holds its answer to *shape*; with the words too, where that is not known to hold."""
    asked = prompt if enforced in {"llguidance", "json_schema"} else _told(prompt, shape)
    fields = constraint(shape, enforced)
    return asked.also(**fields) if fields else asked


def _told(prompt: Prompt, shape: Shape) -> Prompt:
    """*prompt* for an engine that can be held to nothing: it is asked for the shape, in words."""
    schema = json.dumps(shape.schema, ensure_ascii=False)
    return prompt.then(Turn.of("user", f"Answer with nothing but a JSON value that satisfies this schema:\n{schema}"))


async def _through(gate: Gate, prompt: Prompt) -> Said:
    async with await gate.admit(prompt) as grant:
        whole = b"".join([chunk async for chunk in grant])
        return heard(whole, grant.booking.admitted.cells)


def constraint(shape: Shape, enforced: Enforced) -> dict[str, Any]:
    """The fields of a request that make an engine which *enforced* so much hold its answer to *shape*."""
    if enforced == "llguidance":
        return {"grammar": grammar_of(shape.grammar)}
    if enforced == "json_schema":
        return _format(shape.name, shape.grammar)
    if enforced == "documented" and (narrowed := narrow(shape.grammar)) is not None:
        return _format(NOT_OF_A_NAME.sub("_", shape.name), narrowed)
    return {}


def _format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    told = {"name": name, "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def heard(whole: bytes, cells: int = 0) -> Said:
    """What a chat completion in one piece says; ``EngineError`` for anything else."""
    try:
        found = json.loads(whole)
        choice, usage = found["choices"][0], found.get("usage") or {}
        text = choice["message"].get("content") or ""
        return Said(
            text,
            choice.get("finish_reason") or "stop",
            usage.get("prompt_tokens", 0),
            usage.get("completion_tokens", 0),
            _first(choice),
            whole,
            cells,
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        raise EngineError("the engine's answer is no chat completion", code="engine_failed") from None


def _first(choice: Mapping[str, Any]) -> dict[str, float]:
    told = (choice.get("logprobs") or {}).get("content") or ()
    return {each["token"]: float(each["logprob"]) for each in told[0]["top_logprobs"]} if told else {}
