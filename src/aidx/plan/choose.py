"""Which models, quantizations, cache types and placements hold on a machine, best first: a pure generator.

The sweep is by closed forms alone, which never take less than the engine does; the first of the list are asked of it.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.ledger import Account, Ledger
from aidx.budget.loss import CACHE, Loss, model_loss, quality, rung
from aidx.budget.settings import CELL_PAD, Settings
from aidx.errors import InputError
from aidx.model.quants import find as file_type
from aidx.model.spec import ModelSpec
from aidx.model.tensor import TYPES
from aidx.plan.choice import Candidate, Choice, Chosen, Terms, Tightest
from aidx.plan.devices import Machine
from aidx.plan.ledger import Desk
from aidx.plan.make import beyond, clipped
from aidx.plan.need import Need
from aidx.plan.place import place, training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.rank import Marks, Nearest, front, lacking, order
from aidx.plan.roles import Suits, suits
from aidx.plan.search import growth, longest
from aidx.plan.speed import Pace, Speed, expected
from aidx.plan.spread import spreads

SHOWN = 12  # as many as fit on a screen, and the engine is asked about each: 0.1 s and more
DEFAULT_CTX = 8192
UNTRAINED = "context_too_long"  # for every model: not a matter of memory
BY_WEIGHTS = "by its weights alone, on all devices together"  # nothing else was looked at
_LEAST_SHARE = 0.9  # of its default type's bits: no file of a quantization is smaller


class _Held(Struct, frozen=True):
    candidate: Candidate
    desk: Desk
    settings: Settings
    ledger: Ledger
    loss: Loss
    speed: Speed
    reach: int
    suits: Suits | None

    @property
    def planned(self) -> int:
        return sum(account.planned for account in _carriers(self.ledger))

    @property
    def split(self) -> bool:
        return bool(self.desk.machine.gpus) and (
            self.settings.n_gpu_layers not in self.desk.whole or self.settings.n_cpu_moe > 0
        )


def choose(
    candidates: Iterable[Candidate], wish: Terms, machine: Machine, pace: Pace
) -> Generator[Probe, Answer, Chosen]:
    """Choose for *machine*; raises ``InputError`` for settings that none of *candidates* can have."""
    wish = replace(wish, need=checked(wish.need))
    candidates = tuple(candidates)
    wish = replace(wish, trained=len(candidates) > 1)
    right, unsuited = _suited(candidates, wish)
    found = [one for candidate in right for one in _sweep(candidate, wish, machine, pace)]
    held = [one for one in found if isinstance(one, _Held)]
    nearest = min((one for one in found if isinstance(one, Nearest)), default=None)
    refused = [one for one in found if isinstance(one, InputError)]
    tried = any(isinstance(one, Nearest) and one.how != BY_WEIGHTS for one in found)
    if not held and refused and not tried:
        raise _refusal(refused, wish)
    passing = [found for found in held if _passes(found, wish)]
    if not passing and held:
        nearest = _unpassed(held, wish)
    best = front(passing, _figures, lambda one: one.candidate.name)
    ranked = sorted(best, key=lambda one: _key(one, wish))
    clouds = _clouds(wish, machine)
    served = clouds if wish.every else list({cloud.placement: cloud for cloud in reversed(clouds)}.values())[::-1]
    shown = ranked if wish.every else _first_of_each(ranked)[: SHOWN - len(served)]
    choices, notes = yield from _final(shown, wish, machine)
    choices = [*served, *choices]
    choices.sort(key=lambda choice: not choice.suits.suits if choice.suits else False)
    return Chosen(
        tuple(choices),
        len(passing) + len(clouds),
        len(best) + len(clouds),
        len({one.candidate.name for one in passing}) + len(clouds),
        unsuited,
        nearest if not choices else None,
        notes,
    )


def _refusal(refused: Sequence[InputError], wish: Terms) -> InputError:
    """Why no model can have the settings: of one its own reason, of several what is wrong with all of them."""
    if len(refused) == 1 or any(one.code != UNTRAINED for one in refused):
        return refused[0]
    asked = f"{wish.need.ctx_size:,}"
    return InputError(
        f"none of {len(refused)} models whose weights could be held was trained for {asked} tokens",
        hint=refused[0].hint,
    )


def _suited(
    candidates: tuple[Candidate, ...], wish: Terms
) -> tuple[tuple[Candidate, ...], tuple[tuple[str, Suits], ...]]:
    """Those that are right for the role, and the others; all are looked at where they are few or asked for."""
    if wish.role is None or wish.every or len(candidates) == 1:
        return candidates, ()
    judged = [(one, suits(wish.role, one.standing, one.parameters)) for one in candidates]
    wrong = tuple((one.name, judgement) for one, judgement in judged if not judgement.suits)
    return tuple(one for one, judgement in judged if judgement.suits), wrong


def _first_of_each(ranked: Sequence["_Held"]) -> list["_Held"]:
    """The best way of each model; all ways where there is one model only."""
    best: dict[str, _Held] = {}
    for one in ranked:
        best.setdefault(one.candidate.name, one)
    return list(ranked) if len(best) == 1 else list(best.values())


def checked(need: Need) -> Need:
    """*need* with a context, in tokens; raises ``InputError`` where it asks for one that compares nothing."""
    if need.ctx_size is None:
        need = replace(need, ctx_size=DEFAULT_CTX)
    if not isinstance(need.ctx_size, int):
        raise InputError(
            f"--ctx-size {need.ctx_size} compares nothing: a choice is made at one context",
            hint=f"Give a number, say -c {DEFAULT_CTX}; the longest that each one reaches is shown beside it.",
        )
    return need.checked()


def _sweep(candidate: Candidate, wish: Terms, machine: Machine, pace: Pace) -> Iterator["_Held | Nearest | InputError"]:
    right = None if wish.role is None else suits(wish.role, candidate.standing, candidate.parameters)
    room = sum(device.account(()).headroom for device in machine.devices)
    asked = wish.need.ctx_size if isinstance(wish.need.ctx_size, int) else 0
    desk: Desk | None = None
    for quant in candidate.quants:
        least = _least_bytes(candidate.parameters, quant) if candidate.path is None else 0
        if least > room:
            yield Nearest(least - room, candidate.name, quant, BY_WEIGHTS)
            continue
        desk = Desk(candidate.build(quant), machine, fast=True, kin=desk, spreads=spreads(wish.need, machine))
        if wish.trained and desk.model.context_length < asked:
            yield InputError(
                f"{candidate.name} was trained for {desk.model.context_length:,} tokens, not for {asked:,}",
                hint="Give a shorter -c; aidx plan MODEL goes beyond the training length, with a warning.",
                code=UNTRAINED,
            )
            return
        yield from _of_quant(candidate, desk, wish, pace, right)


def _of_quant(
    candidate: Candidate, desk: Desk, wish: Terms, pace: Pace, right: Suits | None
) -> Iterator["_Held | Nearest | InputError"]:
    """Each cache type with all layers on the GPU; the first one that can be split, where none fits whole."""
    free = wish.need.n_gpu_layers == "auto" and wish.need.n_cpu_moe == "auto" and bool(desk.machine.gpus)
    split = False
    for key, value in wish.caches:
        need = replace(wish.need, cache_type_k=key, cache_type_v=value, fast=True)
        try:
            found = _placed(candidate, desk, replace(need, n_gpu_layers="all") if free else need, pace, right)
            if free and isinstance(found, Nearest) and not split:
                found = _placed(candidate, desk, need, pace, right)
                split = isinstance(found, _Held)
            yield found
        except InputError as error:  # a cache type or a placement that this model cannot have
            yield error


def _least_bytes(parameters: int, quant: str) -> int:
    kind = TYPES[file_type(quant).default]
    return int(parameters * kind.size / kind.block * _LEAST_SHARE)


def _placed(candidate: Candidate, desk: Desk, need: Need, pace: Pace, right: Suits | None) -> "_Held | Nearest":
    settings = _answered(place(desk, need))
    ledger = desk.closed(settings)
    model = desk.model
    if not ledger.holds:
        return lacking(ledger, candidate.name, model.quantization)
    reads = desk.reads(settings)
    return _Held(
        candidate,
        desk,
        settings,
        ledger,
        _with_cache(model_loss(model), settings),
        expected(model, settings, desk.machine, ledger=ledger, reads=reads, pace=pace),
        _about(desk, settings, ledger),
        right,
    )


def _answered(steps: Generator[Probe, Answer, Settings]) -> Settings:
    """The settings that *steps* come to without asking: their desk is a fast one."""
    try:
        probe = next(steps)
    except StopIteration as stop:
        settings: Settings = stop.value
        return settings
    raise AssertionError(f"a fast desk asked: {probe}")


def _with_cache(loss: Loss, settings: Settings) -> Loss:
    """*loss* and what the cache types add; types that nothing was published for leave it as it is."""
    added = CACHE.get((settings.cache_type_k, settings.cache_type_v), 0.0)
    high = round(loss.kld_high + added, 6)
    return Loss(round(loss.kld_low + added, 6), high, quality(high), loss.source)


def _about(desk: Desk, settings: Settings, ledger: Ledger) -> int:
    """Where memory would end the context, along the straight line that it grows on."""
    cap = max(training_length(desk), settings.ctx_size)
    slopes = growth(desk, settings)
    steps = [account.headroom // slope for account in ledger.accounts if (slope := slopes[account.name]) > 0]
    return min(cap, settings.ctx_size + min(steps, default=cap) * CELL_PAD)


def _passes(found: _Held, wish: Terms) -> bool:
    quiet = wish.max_loss is None or found.loss.kld_high <= wish.max_loss
    return quiet and (wish.min_tps is None or found.speed.tokens_per_second >= wish.min_tps)


def _unpassed(held: Sequence[_Held], wish: Terms) -> Nearest:
    """The one that comes nearest to the bounds, where everything that holds breaks one of them."""

    def over(found: _Held) -> float:
        loss = found.loss.kld_high / wish.max_loss if wish.max_loss else 0.0
        speed = wish.min_tps / found.speed.tokens_per_second if wish.min_tps and found.speed.tokens_per_second else 0.0
        return max(loss, speed)

    best = min(held, key=over)
    figures = f"KLD up to {best.loss.kld_high:g}, {best.speed.tokens_per_second:.1f} tokens/s"
    return Nearest(0, best.candidate.name, best.desk.model.quantization, figures)


def _figures(found: _Held) -> tuple[float, ...]:
    """Less is better, in each."""
    rank = rung(found.desk.model.quantization)
    return (found.loss.kld_high, rank, found.planned, -found.reach, -found.speed.tokens_per_second)


def _key(found: _Held, wish: Terms) -> tuple[object, ...]:
    marks = Marks(
        loss=found.loss,
        rank=rung(found.desk.model.quantization),
        speed=found.speed.tokens_per_second,
        split=found.split,
        parameters=found.candidate.parameters,
    )
    best = order(wish.role, found.suits, found.candidate.standing, marks)
    return (*best, found.candidate.name, found.planned)


def _final(
    ranked: Sequence[_Held], wish: Terms, machine: Machine
) -> Generator[Probe, Answer, tuple[list[Choice], tuple[str, ...]]]:
    """The list with exact contexts; its first entries as the engine says."""
    choices: list[Choice] = []
    silence: str | None = None
    longer: list[str] = []
    for number, found in enumerate(ranked):
        longer += beyond(found.settings, training_length(found.desk))
        fast = wish.need.fast or number >= SHOWN
        desk = Desk(found.desk.model, machine, fast, silence=silence, kin=found.desk, spreads=found.desk.spreads)
        ledger = yield from desk.ask(found.settings)
        silence = desk.silence or silence
        reach = yield from longest(desk, found.settings, training_length(desk), desk.best)
        if ledger.holds:
            choices.append(_choice(found, ledger, reach))
    notes = () if silence is None else (f"the engine was not asked ({silence}): compute is modelled",)
    return choices, (*notes, *dict.fromkeys(longer), *clipped(wish.need))


def _carriers(ledger: Ledger) -> tuple[Account, ...]:
    """The devices that the weights lie on: the GPUs, or the host without one."""
    return tuple(account for account in ledger.accounts if account.kind == "gpu") or ledger.accounts[:1]


def _choice(found: _Held, ledger: Ledger, reach: int) -> Choice:
    settings, model = found.settings, found.desk.model
    carriers = _carriers(ledger)
    tight = min(carriers, key=lambda account: account.headroom)
    return Choice(
        model=found.candidate.name,
        standing=found.candidate.standing,
        parameters=found.candidate.parameters,
        quantization=model.quantization,
        cache_type_k=settings.cache_type_k,
        cache_type_v=settings.cache_type_v,
        ctx_size=settings.ctx_size,
        max_ctx_size=min(reach, model.context_length),
        planned_bytes=sum(account.planned for account in carriers),
        headroom_bytes=tight.headroom,
        loss=found.loss,
        speed=found.speed,
        settings=settings,
        suits=found.suits,
        placement=_where(model, settings, found.desk.machine),
        tightest=Tightest(tight.name, tight.planned) if len(carriers) > 1 else None,
        path=found.candidate.path,
        fetch=model.fetch,
    )


def _where(model: ModelSpec, settings: Settings, machine: Machine) -> str:
    layers = model.block_count + 1
    if not machine.gpus:
        return "on the CPU"
    if settings.n_gpu_layers < layers:
        return f"{settings.n_gpu_layers} of {layers} layers on the GPU"
    return f"experts of {settings.n_cpu_moe} blocks on the host" if settings.n_cpu_moe else "all on the GPU"


def _clouds(wish: Terms, machine: Machine) -> list[Choice]:
    """The models of the cloud that may have the role: no bytes, nothing rounded, a speed that is not ours to know."""
    if wish.role is None or wish.min_tps is not None:
        return []
    ctx = wish.need.ctx_size if isinstance(wish.need.ctx_size, int) else DEFAULT_CTX
    rooms = (device.account(()).headroom for device in machine.gpus or machine.devices[:1])
    room = min(rooms)
    found = []
    for cloud in wish.clouds:
        right = suits(wish.role, cloud.standing, None)
        if right.suits and cloud.offered and (cloud.context_length is None or cloud.context_length >= ctx):
            loss = Loss(0.0, 0.0, quality(0.0), f"as {cloud.provider} serves it")
            found.append(
                Choice(
                    model=cloud.id,
                    standing=cloud.standing,
                    parameters=None,
                    quantization="cloud",
                    cache_type_k=None,
                    cache_type_v=None,
                    ctx_size=ctx,
                    max_ctx_size=cloud.context_length,
                    planned_bytes=0,
                    headroom_bytes=room,
                    loss=loss,
                    speed=None,
                    settings=None,
                    suits=right,
                    placement=f"in the cloud ({cloud.provider}): 0 bytes here",
                )
            )
    return found
