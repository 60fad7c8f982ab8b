"""From a model, a need and a machine to a plan: a generator that asks the engine through ``Probe``."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.growth import Growth, bytes_per_token, growth
from aidx.budget.ledger import Account, Ledger
from aidx.budget.loss import model_loss
from aidx.budget.placement import place as place_layers
from aidx.budget.settings import CELL_PAD, Settings, pad
from aidx.budget.sizes import gib
from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.alternatives import alternatives
from aidx.plan.beside import NOTHING, Beside
from aidx.plan.devices import Machine
from aidx.plan.engines import AUTO, Rules
from aidx.plan.engines import find as find_engine
from aidx.plan.ledger import Desk
from aidx.plan.need import Need
from aidx.plan.place import place, training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Alternative, Plan, RolePlan, Verdict
from aidx.plan.search import longest
from aidx.plan.spread import spreads

BEYOND = 1 << 22  # a context longer than any model's, to find where memory alone would end

Variant = Callable[[str], ModelSpec]  # the same model at another quantization


class Seat(Struct, frozen=True):
    """A model at its place: the *desk* that answers for it, and the *need* with the engine's own defaults in it."""

    desk: Desk
    need: Need
    rules: Rules
    notes: tuple[str, ...] = ()

    def on(self, machine: Machine, *, settled: bool = False) -> Desk:
        """A desk for the same model on what is left of *machine*; once *settled* it keeps its split over GPUs."""
        desk = _desk(self.desk.model, self.need, machine, self.rules, self.desk.beside)
        desk.spreads = desk.spreads and not settled
        return desk


def seat(model: ModelSpec, need: Need, machine: Machine, beside: Beside = NOTHING) -> Seat:
    """Where *model* is planned; raises ``InputError`` for settings that its engine does not take."""
    asked = need.checked()
    rules = find_engine(asked.engine)
    settled = rules.settle(model, asked, machine)
    desk = _desk(model, settled.need, settled.machine, rules, beside)
    return Seat(desk, settled.need, rules, (*asked.notes, *settled.notes))


def _desk(model: ModelSpec, need: Need, machine: Machine, rules: Rules, beside: Beside) -> Desk:
    if rules.arithmetic is None:
        return Desk(model, machine, need.fast, beside=beside, spreads=spreads(need, machine))
    if beside != NOTHING:
        raise InputError(
            f"--lora, --mmproj and --model-draft are not modelled for {rules.name}",
            hint="Leave them out, or plan --engine embedded.",
        )
    return Desk(model, machine, need.fast, arithmetic=rules.arithmetic(model, len(machine.gpus)))


def plan(
    model: ModelSpec, need: Need, machine: Machine, variant: Variant | None = None, beside: Beside = NOTHING
) -> Generator[Probe, Answer, Plan]:
    """Plan *model*, with what runs *beside* it; *variant*, where it can be had otherwise, widens the ways out.

    Raises ``InputError`` for settings that no engine takes, ``EngineError`` where only the engine could
    have answered and did not.
    """
    here = seat(model, need, machine, beside)
    desk = here.desk
    settings = yield from place(desk, here.need)
    ledger = yield from desk.ask(settings)
    role = yield from role_plan(here, desk, settings)
    if here.rules.arithmetic is None:
        written = here.rules.writing(here.need.given)
        others = yield from alternatives(desk, settings, role.max_ctx_size, variant, written)
    else:  # its other settings are not modelled
        others = yield from shorter(desk, settings, role.max_ctx_size)
    return Plan(
        roles=(role,),
        ledger=ledger,
        verdict=verdict(ledger, [(settings, model)]),
        binding=binding(ledger),
        alternatives=others,
        plan_hash=promise((role,), ledger),
        notes=(*notes(here, settings), *here.rules.remarks(ledger, settings)),
    )


def shorter(desk: Desk, settings: Settings, reach: int) -> Generator[Probe, Answer, tuple[Alternative, ...]]:
    """The only way out of an engine whose other settings are not modelled: the context that holds."""
    if not 0 < reach < settings.ctx_size:
        return ()
    before, after = (yield from desk.best(settings)), (yield from desk.best(replace(settings, ctx_size=reach)))
    tight = min(before.accounts, key=lambda account: account.headroom).name
    saved = before.account(tight).planned - after.account(tight).planned
    return (Alternative(f"--ctx-size {reach}", saved, reach, "a shorter context"),)


def role_plan(
    here: Seat, desk: Desk, settings: Settings, *, role: str | None = None, cap: int | None = None
) -> Generator[Probe, Answer, RolePlan]:
    """The part of a plan that one role has: how far its context reaches on *desk*, at most *cap*, and what it loses."""
    model = desk.model
    longest_of_all = training_length(desk)
    most = longest_of_all if cap is None else min(cap, longest_of_all)
    reach = yield from longest(desk, settings, most)
    ends = reach if model.layers is not None and reach < most // CELL_PAD * CELL_PAD else None  # 256 more were tried
    return RolePlan(
        role=role,
        model=model,
        engine=here.rules.name,
        settings=settings,
        max_ctx_size=min(reach, model.context_length) if reach else 0,
        growth=(yield from _growth(desk, settings, here.need, ends)),
        loss=model_loss(model),
        beside=desk.beside,
        auto=here.need.engine == AUTO,
    )


def _growth(desk: Desk, settings: Settings, need: Need, ends: int | None) -> Generator[Probe, Answer, Growth]:
    """Memory is full where the device, not the training length, would end the conversation: at *ends*, where known."""
    model = desk.model
    memory = BEYOND if ends is None else ends
    if ends is None and model.layers is not None:
        memory = yield from longest(desk, settings, BEYOND, desk.best)
    marginal = 0
    if model.layers is not None:
        marginal = bytes_per_token(model.layers, settings, place_layers(model, settings, gpus=len(desk.machine.gpus)))
    return growth(
        bytes_a_token=marginal,
        start_tokens=need.start_tokens,
        tokens_per_turn=need.turn_tokens,
        context_tokens=min(settings.n_ctx_seq, training_length(desk)),
        memory_tokens=memory if memory < BEYOND else None,
    )


def verdict(ledger: Ledger, placed: Sequence[tuple[Settings, ModelSpec]]) -> Verdict:
    """Whether *ledger* holds, and whether all that was *placed* with a GPU is on it whole."""
    if not ledger.holds:
        return "does_not_fit"
    has_gpu = any(account.kind == "gpu" for account in ledger.accounts)
    whole = all(settings.n_gpu_layers > model.block_count and not settings.n_cpu_moe for settings, model in placed)
    return "fits_with_offload" if has_gpu and not whole else "fits"


def binding(ledger: Ledger) -> str:
    """The device with the least room and its largest entry, in words."""
    account = min(ledger.accounts, key=_tightness)
    if not account.planned:
        return f"{account.name}: nothing is planned on it"
    largest = max((e for e in account.entries if e.what not in {"desktop", "reserve"}), key=lambda e: e.bytes)
    state = f"{gib(account.headroom)} left" if account.headroom >= 0 else f"{gib(-account.headroom)} too much"
    return f"{account.name}: {state}; {largest.what} takes {gib(largest.bytes)} of {gib(account.usable)} usable"


def _tightness(account: Account) -> float:
    return account.headroom / account.usable if account.usable > 0 else float(account.headroom)


def promise(roles: Sequence[RolePlan], ledger: Ledger) -> str:
    """Names the promise: models, engines, settings, devices and every planned byte; not what others use just now."""
    stated = {
        **(_stated(roles[0]) if len(roles) == 1 else {"roles": [_stated(role) for role in roles]}),
        "devices": [[account.name, account.kind, account.total] for account in ledger.accounts],
        "entries": [
            [account.name, entry.what, entry.bytes]
            for account in ledger.accounts
            for entry in account.entries
            if entry.what not in {"desktop", "reserve"}
        ],
    }
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


def _stated(role: RolePlan) -> dict[str, object]:
    model, settings = role.model, role.settings
    named = {} if role.role is None else {"role": role.role}
    return {
        **named,
        "model": [model.architecture, model.quantization, model.file_bytes, model.parameters],
        "engine": role.engine,
        "settings": [str(getattr(settings, name)) for name in settings.__struct_fields__],
    }


def clipped(settings: Need | Settings) -> tuple[str, ...]:
    """That a physical batch is no larger than the logical one, whatever was asked."""
    if settings.ubatch_size <= settings.batch_size:
        return ()
    asked = f"--ubatch-size {settings.ubatch_size} is more than --batch-size {settings.batch_size}"
    return (f"{asked}, and the engine computes no more at once: it counts as {settings.batch_size}",)


def beyond(settings: Settings, trained: int) -> Iterator[str]:
    """That a context is longer than the model was *trained* for, and what of it is of no use."""
    empty = settings.n_ctx - trained * settings.parallel
    if settings.ctx_size > trained and empty > 0:
        yield (
            f"context {settings.ctx_size:,} is longer than the model was trained for ({trained:,}): llama.cpp's "
            f"server ends each slot there, {empty:,} cells stay empty"
        )


def notes(here: Seat, settings: Settings) -> tuple[str, ...]:
    """What must be read before the plan of one process."""
    desk, found = here.desk, list(here.desk.machine.notes)
    if not here.need.fast and desk.silence is not None:
        found.append(f"the engine was not asked ({desk.silence}): compute is modelled")
    found += here.notes
    found += [*beyond(settings, training_length(desk)), *clipped(settings)]
    if settings.n_ctx > pad(settings.ctx_size, CELL_PAD):
        found.append(f"each of {settings.parallel} slots is padded to 256 cells: n_ctx is {settings.n_ctx:,}")
    return tuple(found)
