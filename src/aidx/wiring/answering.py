"""One answer by a pattern, from models that are started for it and stopped afterwards; also from Python."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from aidx import wiring
from aidx.errors import InputError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.schema.types import schema_of, value_of
from aidx.patterns.vocabulary import Answer

if TYPE_CHECKING:
    from aidx.config.merge import Settled
    from aidx.gate.run import Seat
    from aidx.patterns.schema.shape import Shape
    from aidx.patterns.terms import Served, Terms
    from aidx.plan.result import Plan
    from aidx.serve.run import Offer

Tell = Callable[[str], object]
MODEL = "aidx-tiny"


class Answered(Struct, frozen=True):
    """An *answer* with its trail, and its *value*: of the type that was asked for, else the text."""

    value: Any
    answer: Answer


def ask(  # noqa: PLR0913 - as many as the command has options
    text: str,
    *,
    schema: object = None,
    model: str | None = None,
    pattern: str | None = None,
    system: str | None = None,
    max_tokens: int | None = None,
    temperature: float = 0.0,
    strict: bool = False,
) -> Answered:
    """Ask *model* (``aidx-tiny`` without one), or the roles of ``aidx.toml`` by *pattern*, and stop them again.

    The answer is held to *schema*: a JSON Schema, a Pydantic model, a dataclass, a msgspec type, a type of Outlines'.
    Raises ``InputError`` for a schema that cannot be enforced, ``CheckError`` for an answer that has not its shape or
    is not accepted, ``BudgetError`` for what does not fit, ``EngineError`` for a model that fails.
    """
    turns = [Turn.of("system", system)] if system else []
    fields = b'"temperature":%s' % str(temperature).encode()
    prompt = Prompt((*turns, Turn.of("user", text)), fields=fields, max_tokens=max_tokens)
    shape = None if schema is None else shaped(schema, strict=strict)
    if pattern is None:
        found = by_model(prompt, model or MODEL, shape)
    else:
        found = by_pattern(prompt, pattern, wiring.settings(), shape)
    return Answered(found.text if schema is None else value_of(schema, found.text), found)


def shaped(schema: object, *, strict: bool = False) -> "Shape":
    """The shape that *schema* says; raises ``InputError`` where it says none, or one that cannot be enforced."""
    from aidx.gate.schema import shape

    document = schema if isinstance(schema, bool) else schema_of(schema)
    return shape("answer", document, strict=strict)


def named(reference: str) -> Any:  # noqa: ANN401 - a schema, or any type
    """The schema in a file, or the type, that *reference* names."""
    from aidx.adapters.schemafile import load

    return load(reference)


def by_model(
    prompt: Prompt, model: str, shape: "Shape | None", *, engine: str = "embedded", tell: Tell | None = None
) -> Answer:
    """The answer of *model*, planned for *engine* and started for it."""
    from functools import partial

    from aidx.advise import plan
    from aidx.gate.run import Seat, answer
    from aidx.patterns import direct
    from aidx.patterns.terms import Terms
    from aidx.plan.need import Need
    from aidx.wiring.proof import keep_enforced

    found = wiring.resolve_for(engine, model)
    with closing(wiring.prober()) as prober:
        planned = wiring.held(plan(found.model, Need(engine=engine), wiring.machine(), prober, found.variant))
    seat = Seat(partial(wiring.start, planned, tell), wiring.limits(planned))
    terms = Terms("editor", frozenset({"editor"}), shape=shape)
    said = answer(direct.answer(prompt, terms), {"editor": seat})
    keep_enforced(planned.roles[0], shape, said)
    return said


def by_role(
    prompt: Prompt, role: str, settled: "Settled", shape: "Shape | None", *, tell: Tell | None = None
) -> Answer:
    """The answer of the model in *role*; of the cascade where that stands for it."""
    from aidx.gate.run import answer
    from aidx.patterns import cascade, direct
    from aidx.patterns.terms import Terms
    from aidx.wiring import routing
    from aidx.wiring.proof import keep_enforced

    table = next((table for name, table in settled.config.roles.items() if name == role), None)
    if table is not None and table.pattern == cascade.PATTERN.name:
        return by_pattern(prompt, cascade.PATTERN.name, settled, shape, tell=tell)
    routing.confine(settled, role)
    planned = _planned(settled)
    seats = _seats(planned, settled, tell)
    if role not in seats:
        raise InputError(
            f"no role {role} is configured; there is: {', '.join(seats)}",
            hint=f"Write [roles.{role}] into aidx.toml, or name a --model.",
        )
    said = answer(direct.answer(prompt, Terms(role, frozenset(seats), shape=shape)), seats)
    keep_enforced(next(each for each in planned.roles if each.role == role), shape, said)
    return said


def by_pattern(
    prompt: Prompt, pattern: str, settled: "Settled", shape: "Shape | None", *, tell: Tell | None = None
) -> Answer:
    """The answer by *pattern* over the configured roles; those that it asks are started, no others."""
    from aidx.gate.run import answer
    from aidx.wiring.cascade import runner

    chosen, terms = _chosen(pattern, settled)
    seats = _seats(_planned(settled), settled, tell)
    asked = {role: seats[role] for role in terms.allowed if role in seats}
    return answer(chosen.answer(prompt, replace(terms, shape=shape)), asked, runner(settled))


def _chosen(pattern: str, settled: "Settled") -> "tuple[Served, Terms]":
    """The pattern of that name with its terms; raises ``InputError`` where its roles are not configured."""
    from aidx.patterns import cascade, route
    from aidx.wiring import routing
    from aidx.wiring.cascade import terms
    from aidx.wiring.feedback import learning

    if pattern == route.NAME:
        chosen, asked = routing.pattern(settled)
        chosen.check(replace(asked, local_only=False))  # an Architect elsewhere is not asked, and need not be
        return chosen, asked
    configured, assumed = routing.terms(settled)
    asked = terms(settled, frozenset() if assumed else configured.roles, configured.remote)
    cascade.PATTERN.check(asked)
    return learning(cascade.PATTERN, settled), asked


def _planned(settled: "Settled") -> "Plan":
    """The configured roles, planned together."""
    from aidx.advise import deploy
    from aidx.plan.need import Need
    from aidx.plan.wish import Wish

    device = settled.config.device
    machine = wiring.machine(Wish(device.vram, device.gpu, device.host_ram, device.driver, device.total))
    roles = wiring.configured(settled, Need(environment=wiring.engine_environment()))
    with closing(wiring.prober()) as prober:
        return deploy(roles.members, machine, prober, roles.remotes)


def _seats(planned: "Plan", settled: "Settled", tell: Tell | None) -> "Mapping[str, Seat]":
    """The configured roles as *planned*; none is started so far, and with ``local_only`` none leaves."""
    from aidx.wiring.routing import staying
    from aidx.wiring.serving import offers

    tables = {str(role): table for role, table in settled.config.roles.items()}
    say = tell or (lambda _: None)
    found = staying(offers(planned, tables, wiring.Bounds(), say, alone="editor"), settled, say)
    return {offer.role: _seat(offer) for offer in found}


def _seat(offer: "Offer") -> "Seat":
    from aidx.gate.run import Seat

    return Seat(offer.process.start, offer.limits, offer.process, leaves=offer.process.leaves)
