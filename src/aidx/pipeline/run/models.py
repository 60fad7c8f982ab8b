"""The models behind the roles: started when they are needed, one of this machine's at a time."""

import asyncio  # noqa: TID253 - this module is imported when a pipeline is run, and not before
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from msgspec import Struct

from aidx.budget.prices import FREE, Price
from aidx.errors import AidxError, BudgetError, EngineError, InputError
from aidx.gate.admit import Limits, RefusedError
from aidx.gate.count import Own
from aidx.gate.drive import Gate
from aidx.gate.grant import Grant
from aidx.gate.patterns import constraint
from aidx.gate.prompt import Prompt as Sent
from aidx.gate.prompt import Turn
from aidx.gate.reply import Reply
from aidx.patterns.schema.shape import Shape
from aidx.pipeline.context.prompt import Prompt
from aidx.pipeline.contract import Json, Request
from aidx.pipeline.effects import Ask, Counted, Phase
from aidx.pipeline.ending import MISTRUSTED, UNCOUNTED, countable
from aidx.pipeline.run.arriving import Opening, Sink, settled
from aidx.pipeline.run.cutoff import way_out
from aidx.pipeline.run.held import Held, Trust, held
from aidx.plan.result import Plan
from aidx.ports.engine import Deployment


class Seat(Struct, frozen=True):
    """Who fills a role: a *model*, how it is started, and what it may use.

    *cell_bytes* is what one token of context takes, *kv_bytes* the whole cache as planned (0: not on this machine);
    *max_kv* bounds it. Requests to one that *leaves* go to another machine. It was planned together with the roles
    *beside* it; those of one *process* share that. *price* is ``None`` where nobody knows it. *own* reads what it takes
    to count as the model's file does, where that is here.
    """

    model: str
    limits: Limits
    start: Callable[[], Deployment]
    cell_bytes: int = 0
    kv_bytes: int = 0
    max_kv: int | None = None
    leaves: bool = False
    beside: frozenset[str] = frozenset()
    process: str | None = None
    price: Price | None = FREE
    own: Callable[[], Own | None] = lambda: None

    @classmethod
    def of(cls, plan: Plan, limits: Limits, start: Callable[[], Deployment], max_kv: int | None = None) -> "Seat":
        """The seat of the one model of *plan*, which *start* starts within *limits*."""
        role = plan.roles[0]
        kv = sum(account.sum("kv_cache") for account in plan.ledger.accounts)
        return cls(role.model.name, limits, start, role.growth.bytes_per_token, kv, max_kv)


class _Open(Struct):
    seat: Seat
    deployment: Deployment
    chat: Held
    gate: Gate


class Models:
    """The roles in use, with an event loop of their own that turns only while a model is spoken to.

    Phases follow each other, so that the memory of one local model is all that a run takes: opening a role closes
    the one before, unless the two were planned to run beside each other.
    """

    def __init__(
        self, seats: Mapping[str, Callable[[], Seat]], tell: Callable[[str], object], *, dry: bool = False
    ) -> None:
        self._seats, self._tell, self._dry = seats, tell, dry
        self._known: dict[str, Seat] = {}
        self._open: dict[str, _Open] = {}
        self._trusts: defaultdict[str, Trust] = defaultdict(Trust)
        self._loop = asyncio.Runner()
        self.kv_bytes: dict[str, int] = {}

    def count(
        self, role: str, prompts: tuple[Prompt, ...], beside: tuple[tuple[str, int], ...] = ()
    ) -> tuple[Counted, ...]:
        """The size of *prompts*, and of each of their items; see ``Count``."""
        if not prompts:
            return ()
        model = self._model(role)

        async def every() -> tuple[Counted, ...]:
            return tuple([await _counted(model, prompt, beside) for prompt in prompts])

        return self._loop.run(every())

    def ask(self, ask: Ask, opening: Opening, max_tokens: int | None = None) -> tuple[Reply, Request]:
        """The answer to *ask*, whose pieces go where *opening* says before they are read, and its ledger line.

        Raises ``RefusedError`` for a prompt over the gate, ``EngineError`` for an engine that fails.
        """
        return self._loop.run(self._asked(self._model(ask.role), ask, opening, max_tokens))

    async def _asked(self, model: _Open, ask: Ask, opening: Opening, max_tokens: int | None) -> tuple[Reply, Request]:
        fields: dict[str, object] = (
            {} if model.seat.leaves else {"temperature": 0}
        )  # some services take no other than 1
        if ask.schema is not None:
            schema = json.loads(ask.schema)
            enforced = model.gate.enforces()  # of a service that only says so the words of the prompt are enough
            fields |= constraint(Shape("answer", schema, schema), "none" if enforced == "documented" else enforced)
        sent = _sent(ask.prompt, fields, max_tokens)
        model.chat.forget(sent.body)
        async with await _admitted(model, ask.role, sent) as grant:
            counted = await _counted(model, ask.prompt)
            cells, seat = grant.booking.admitted.cells, model.seat
            size = cells * seat.cell_bytes
            told = (ask.phase, ask.role, seat.model, counted.tokens, 0, counted.gate, cells, size, counted.items)
            request = Request(*told, seat.price, 0, counted.precision, counted.precision != "exact")
            reply = await _reply(grant, opening(request))
        return reply, settled(request, reply)

    def learn(self, told: Json) -> None:
        """Take over what a request of the ledger says of its model, whose next prompts may have to be estimated."""
        self.trust(told["model"]).learn(told)

    def trust(self, model: str) -> Trust:
        """What the answers of *model* have said of how its prompts are counted."""
        return self._trusts[model]

    def limits(self, role: str) -> Limits:
        """What may be sent to *role*, and come back."""
        return self._seat(role).limits

    def forecast(self, phase: Phase, role: str, counted: Counted) -> Request:
        """The request that *counted* would become; nothing is sent."""
        seat = self._seat(role)
        cells = counted.tokens + seat.limits.output(counted.tokens)
        size = cells * seat.cell_bytes
        told = (phase, role, seat.model, counted.tokens, 0, counted.gate, cells, size, counted.items)
        return Request(*told, seat.price, counted.output, counted.precision, counted.precision != "exact")

    def release(self, role: str) -> None:
        """Stop what fills *role*, if it runs: its memory is needed."""
        if role in self._open:
            self._stop(role)

    def close(self) -> None:
        """Stop whatever runs."""
        for role in list(self._open):
            self._stop(role)
        self._loop.close()

    def _seat(self, role: str) -> Seat:
        if role not in self._known:
            if role not in self._seats:
                raise InputError(
                    f"no model fills the role {role}",
                    hint=f"Write [roles.{role}] into aidx.toml, or bring your own plan with --plan.",
                )
            self._known[role] = self._seats[role]()
        return self._known[role]

    def _model(self, role: str) -> _Open:
        if role not in self._open:
            seat = self._seat(role)
            _within(seat, seat.kv_bytes, "is planned to take")
            for other, model in list(self._open.items()):
                if model.seat.kv_bytes and seat.kv_bytes and other not in seat.beside:
                    self._stop(other)
            self._open[role] = self._shared(role, seat) or self._started(role, seat)
        return self._open[role]

    def _shared(self, role: str, seat: Seat) -> _Open | None:
        """A place beside the role whose process runs already, if there is one."""
        for other, model in self._open.items():
            if seat.process is not None and model.seat.process == seat.process:
                self.kv_bytes[role] = self.kv_bytes[other]
                return _Open(seat, model.deployment, model.chat, model.gate.beside(seat.limits))
        return None

    def _started(self, role: str, seat: Seat) -> _Open:
        deployment = seat.start()
        try:
            kv = (_allocated(deployment) or seat.kv_bytes) if seat.kv_bytes else 0
            _within(seat, kv, "has taken")
            self.kv_bytes[role] = max(self.kv_bytes.get(role, 0), kv)
            chat = held(deployment.chat(), self.trust(seat.model), seat.own, foreseen=self._dry and seat.leaves)
            if seat.leaves and chat.precision == "bound":
                self._tell(f"{seat.model}: {UNCOUNTED if self.trust(seat.model).counts else MISTRUSTED}")
        except AidxError:
            deployment.stop()
            raise
        gate = Gate(seat.limits, time.monotonic)
        gate.attach(chat)
        return _Open(seat, deployment, chat, gate)

    def _stop(self, role: str) -> None:
        model = self._open.pop(role)
        if any(other.deployment is model.deployment for other in self._open.values()):
            return
        model.gate.detach()
        model.deployment.stop()


def _allocated(deployment: Deployment) -> int:
    devices = deployment.allocated().devices.values()
    return sum(entry.bytes for entries in devices for entry in entries if entry.what == "kv_cache")


def _within(seat: Seat, kv: int, what: str) -> None:
    if seat.max_kv is not None and kv > seat.max_kv:
        raise BudgetError(
            f"{seat.model} {what} {kv:,} bytes of KV cache, and max_kv is {seat.max_kv:,}",
            hint="Lower the role's ctx_size, quantize its cache (cache_type_k, cache_type_v), or raise max_kv.",
        )


def text_of(reply: Reply, request: Request, limits: Limits) -> str:
    """What the *reply* to *request* says; ``EngineError`` where it was cut at one of *limits*."""
    if reply.finish_reason == "length":
        raise EngineError(
            f"the {request.role}'s answer was cut after {request.completion_tokens} tokens",
            hint=way_out(request, limits),
            code="answer_cut",
        )
    return reply.text


async def _admitted(model: _Open, role: str, sent: Sent) -> Grant:
    try:
        return await model.gate.admit(sent)
    except RefusedError as error:
        if model.chat.precision == "bound":
            error.args = (f"{error} (at most: {model.seat.model} has not counted it, and it was not sent)",)
            error.hint = countable(role)
        raise


async def _reply(grant: Grant, sink: Sink) -> Reply:
    reply = Reply()
    async for chunk in grant:
        sink.put(chunk)
        reply.feed(chunk)
    sink.end()
    if not reply.complete:
        raise EngineError("the answer broke off", code="engine_failed", hint="Go on with --resume.")
    return reply


async def _counted(model: _Open, prompt: Prompt, beside: tuple[tuple[str, int], ...] = ()) -> Counted:
    """Count *prompt* with its first item, with its first two, …: what each adds is its size, and they add up."""
    names, so_far = zip(*prompt.begins, strict=True)
    if model.seat.leaves:  # every count is a request there
        sizes = shares([len(_sent(begun, {}).body) for begun in so_far], await _size(model, prompt))
    else:
        sizes = [await _size(model, begun) for begun in so_far]
    added = (after - before for before, after in zip([0, *sizes], sizes, strict=False))
    limits, tokens = model.seat.limits, sizes[-1] + sum(tokens for _, tokens in beside)
    output = limits.output(tokens)
    fits = tokens <= limits.gate and tokens + output <= limits.n_ctx_seq
    price = model.seat.price
    most = None if price is None else price.of(tokens, output)
    return Counted(
        tokens, limits.gate, (*zip(names, added, strict=True), *beside), fits, output, most, model.chat.precision
    )


async def _size(model: _Open, prompt: Prompt) -> int:
    return await model.gate.counter.count(model.chat, _sent(prompt, {}))


def shares(sizes: list[int], whole: int) -> list[int]:
    """Where the items end that end at *sizes* bytes, in tokens of a *whole* that was counted at once."""
    return [whole * size // sizes[-1] for size in sizes]


def _sent(prompt: Prompt, fields: Mapping[str, object], max_tokens: int | None = None) -> Sent:
    """A chat completion request as the gate takes it, with *fields* beside its messages."""
    turns = [
        Turn(message["role"], message["content"], json.dumps(message, ensure_ascii=False).encode())
        for message in prompt.messages
    ]
    told = {**fields, "stream": True, "stream_options": {"include_usage": True}}
    return Sent(tuple(turns), fields=json.dumps(told).encode()[1:-1], max_tokens=max_tokens, stream=True)
