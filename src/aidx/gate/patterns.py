"""Feeds a pattern with models: every request it yields goes through the gate of its role."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import Gate
from aidx.patterns.prompt import Prompt
from aidx.patterns.schema.shape import Shape
from aidx.patterns.vocabulary import Answer, Ask, Command, Effect, Pattern, Ran, Result, Said
from aidx.ports import Enforced

Runner = Callable[[Command], Awaitable[Ran]]
LLGUIDANCE = "%llguidance {}\nstart: %json "


async def drive(pattern: Pattern, gates: Mapping[str, Gate], runner: Runner | None = None) -> Answer:
    """The answer of *pattern*, whose roles are asked through *gates* and whose commands *runner* runs.

    What goes wrong with a request (``EngineError``, ``RefusedError``, ``InputError``) is raised inside the pattern;
    what that does not catch, it raises.
    """
    result: Result | AidxError | None = None
    try:
        while True:
            try:
                effect = _next(pattern, result)
            except StopIteration as stop:
                found: Answer = stop.value
                return found
            try:
                result = await _perform(effect, gates, runner)
            except AidxError as error:
                result = error
    finally:
        pattern.close()


def _next(pattern: Pattern, result: Result | AidxError | None) -> Effect:
    if isinstance(result, AidxError):
        return pattern.throw(result)
    return next(pattern) if result is None else pattern.send(result)


async def _perform(effect: Effect, gates: Mapping[str, Gate], runner: Runner | None) -> Result:
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
    fields: dict[str, Any] = {}
    if ask.shape is not None:
        fields |= constraint(ask.shape, gate.enforces())
    if ask.top:
        fields |= {"logprobs": True, "top_logprobs": ask.top}
    prompt = ask.prompt if not fields and not ask.prompt.stream else ask.prompt.also(**fields)
    return await _through(gate, prompt)


async def _through(gate: Gate, prompt: Prompt) -> Said:
    async with await gate.admit(prompt) as grant:
        whole = b"".join([chunk async for chunk in grant])
        return heard(whole, grant.booking.admitted.cells)


def constraint(shape: Shape, enforced: Enforced) -> dict[str, Any]:
    """The fields of a request that make an engine which *enforced* so much hold its answer to *shape*."""
    if enforced == "llguidance":
        return {"grammar": LLGUIDANCE + json.dumps(shape.grammar, ensure_ascii=False)}
    if enforced == "json_schema":
        told = {"name": shape.name, "schema": shape.grammar, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": told}}
    return {}


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
