"""From a model, a need and a machine to a plan: a generator that asks the engine through ``Probe``."""

import hashlib
import json
from collections.abc import Callable, Generator

from aidx.budget.growth import Growth, bytes_per_token, growth
from aidx.budget.ledger import Account, Ledger
from aidx.budget.loss import published_loss
from aidx.budget.placement import place as place_layers
from aidx.budget.settings import CELL_PAD, Settings, pad
from aidx.budget.sizes import gib
from aidx.model.spec import ModelSpec
from aidx.plan.alternatives import alternatives
from aidx.plan.devices import Machine
from aidx.plan.ledger import Desk
from aidx.plan.need import Need
from aidx.plan.place import place, training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Plan, RolePlan, Verdict
from aidx.plan.search import longest

BEYOND = 1 << 22  # a context longer than any model's, to find where memory alone would end

Variant = Callable[[str], ModelSpec]  # the same model at another quantization


def plan(
    model: ModelSpec, need: Need, machine: Machine, variant: Variant | None = None
) -> Generator[Probe, Answer, Plan]:
    """Plan *model*; *variant*, where the model can be had in other quantizations, widens the ways out.

    Raises ``InputError`` for settings that no engine takes, ``EngineError`` where only the engine could
    have answered and did not.
    """
    need = need.checked()
    desk = Desk(model, machine, need.fast)
    settings = yield from place(desk, need)
    ledger = yield from desk.ask(settings)
    reach = yield from longest(desk, settings, training_length(desk))
    role = RolePlan(
        role=None,
        model=model,
        engine=need.engine,
        settings=settings,
        max_ctx_size=min(reach, model.context_length) if reach else 0,
        growth=(yield from _growth(desk, settings, need)),
        loss=published_loss(model.quantization, native=model.quantization == "MXFP4_MOE"),
    )
    return Plan(
        roles=(role,),
        ledger=ledger,
        verdict=_verdict(ledger, settings, model),
        binding=binding(ledger),
        alternatives=(yield from alternatives(desk, settings, role.max_ctx_size, variant)),
        plan_hash=_hash(role, ledger),
        notes=_notes(desk, need, settings),
    )


def _growth(desk: Desk, settings: Settings, need: Need) -> Generator[Probe, Answer, Growth]:
    """Memory is full where the device, not the training length, would end the conversation."""
    model = desk.model
    memory = BEYOND if model.layers is None else (yield from longest(desk, settings, BEYOND, desk.best))
    marginal = 0
    if model.layers is not None:
        marginal = bytes_per_token(model.layers, settings, place_layers(model, settings, gpus=len(desk.machine.gpus)))
    return growth(
        bytes_a_token=marginal,
        start_tokens=need.start_tokens,
        tokens_per_turn=need.turn_tokens,
        context_tokens=settings.n_ctx_seq,
        memory_tokens=memory if memory < BEYOND else None,
    )


def _verdict(ledger: Ledger, settings: Settings, model: ModelSpec) -> Verdict:
    if not ledger.holds:
        return "does_not_fit"
    has_gpu = any(account.kind == "gpu" for account in ledger.accounts)
    whole = settings.n_gpu_layers > model.block_count and not settings.n_cpu_moe
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


def _hash(role: RolePlan, ledger: Ledger) -> str:
    """Names the promise: model, engine, settings, devices and every planned byte; not what others use just now."""
    model, settings = role.model, role.settings
    promise = {
        "model": [model.architecture, model.quantization, model.file_bytes, model.parameters],
        "engine": role.engine,
        "devices": [[account.name, account.kind, account.total] for account in ledger.accounts],
        "settings": [str(getattr(settings, name)) for name in settings.__slots__],
        "entries": [
            [account.name, entry.what, entry.bytes]
            for account in ledger.accounts
            for entry in account.entries
            if entry.what not in {"desktop", "reserve"}
        ],
    }
    return hashlib.sha256(json.dumps(promise, sort_keys=True).encode()).hexdigest()[:16]


def _notes(desk: Desk, need: Need, settings: Settings) -> tuple[str, ...]:
    notes = []
    if not need.fast and desk.silence is not None:
        notes.append(f"the engine was not asked ({desk.silence}): compute is modelled")
    if settings.ctx_size > desk.model.context_length:
        notes.append(
            f"context {settings.ctx_size:,} is longer than the model was trained for ({desk.model.context_length:,})"
        )
    if settings.n_ctx > pad(settings.ctx_size, CELL_PAD):
        notes.append(f"each of {settings.parallel} slots is padded to 256 cells: n_ctx is {settings.n_ctx:,}")
    return tuple(notes)
