"""The article's six steps, each with its proof or the command that will give it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from aidx.budget.ledger import Account, Ledger, What
from aidx.budget.proof import Verdict
from aidx.budget.sizes import gib
from aidx.plan.article import Claim
from aidx.plan.proven import Proven
from aidx.plan.result import Plan, RolePlan

EDITOR = (6_500_000_000, 15_000_000_000)  # the role map's 7B-14B: models sold as such have 6.7B to 14.8B
EDITOR_TIER = (None, "editor", "drafter", "verifier")
WEIGHTS: frozenset[What] = frozenset({"weights", "repack"})
CACHE: frozenset[What] = frozenset({"kv_cache", "recurrent_state"})
SMALL = "Q4_K_M"
WIDE = frozenset({"F32", "F16", "BF16"})
COMPONENTS: tuple[tuple[str, frozenset[What], bool], ...] = (  # the last: shown where there is none, too
    ("Model weights", WEIGHTS, True),
    ("KV cache", CACHE, True),
    ("LoRA adapters", frozenset({"lora"}), False),
    ("Projector", frozenset({"projector"}), False),
    ("Draft model", frozenset({"draft"}), False),
)


PROVED: Mapping[Verdict, str] = MappingProxyType(
    {"HOLDS": "held", "DOES_NOT_HOLD": "did not hold", "NOT_PROVEN": "not proven"}
)


class Step(Struct, frozen=True):
    """``open`` until *command* has given its *proof*."""

    step: int
    title: str
    status: Literal["ok", "open", "failed"]
    proof: str
    command: str


class Component(Struct, frozen=True):
    """A row of the component table."""

    component: str
    bytes: int


class Checklist(Struct, frozen=True):
    """What ``aidx checklist`` prints."""

    steps: tuple[Step, ...]
    budget: tuple[Component, ...]
    article: tuple[Claim, ...] = ()


def checklist(
    plan: Plan,
    typed: str,
    article: Sequence[Claim] = (),
    gates: Mapping[str, int] = MappingProxyType({}),
    proven: Proven | None = None,
) -> Checklist:
    """The six steps for *plan*; later commands prove steps 5 and 6, which stay ``open`` until then.

    *typed* is the model and the options that the plan was asked with, so that each command proves this plan.
    *gates* are the most prompt tokens of roles that name them, *proven* is the last stress proof of just this plan.
    """
    return Checklist(
        steps=(
            _select(plan, typed),
            _quantize(plan, typed),
            _reserve(plan, typed, gates),
            _verify(plan, typed, proven),
            _enforce(plan, typed),
            _stress(plan, typed, proven),
        ),
        budget=components(plan.ledger),
        article=tuple(article),
    )


def components(ledger: Ledger) -> tuple[Component, ...]:
    """The component table of each device that holds a model: the GPUs, and the host where a model is there whole."""
    gpus = [account for account in ledger.accounts if account.kind == "gpu"]
    held = {entry.role for account in gpus for entry in account.entries if entry.what == "weights"}
    hosts = [account for account in ledger.accounts if account.kind == "host"]
    on_host = {entry.role for account in hosts for entry in account.entries if entry.what in {"weights", "repack"}}
    shown = [*gpus, *(hosts if on_host - held or not gpus else [])]
    return tuple(row for account in shown for row in _table(account, named=len(shown) > 1))


def _table(account: Account, *, named: bool) -> Iterator[Component]:
    """One device's rows, which sum up to its size; of several roles each has its own."""
    before = f"{account.name}: " if named else ""
    rest = account.planned + account.sum("desktop") + account.sum("reserve")
    for title, kinds, always in COMPONENTS:
        sizes: dict[str | None, int] = {}
        for entry in account.entries:
            if entry.what in kinds:
                sizes[entry.role] = sizes.get(entry.role, 0) + entry.bytes
        for role, size in (sizes or ({None: 0} if always else {})).items():
            yield Component(f"{before}{title}{'' if role is None else f', {role}'}", size)
        rest -= sum(sizes.values())
    yield Component(f"{before}OS and framework overhead", rest)
    yield Component(f"{before}Available headroom", account.headroom)


def _command(name: str, typed: str, *more: str) -> str:
    return " ".join(word for word in ("aidx", name, typed, *more) if word)


def _local(plan: Plan) -> list[RolePlan]:
    return [role for role in plan.roles if role.model.source != "cloud"]


def _of(role: RolePlan, proof: str) -> str:
    return proof if role.role is None else f"{role.role}: {proof}"


def _select(plan: Plan, typed: str) -> Step:
    """Roles of the Editor tier; a model that is given alone is meant for it."""
    title, command = "Select the Editor model", _command("plan", typed)
    tier = [role for role in plan.roles if role.role in EDITOR_TIER]
    if not tier:
        known = ", ".join(str(role.role) for role in plan.roles)
        return Step(1, title, "open", f"none of the roles ({known}) edits", command)
    local = [role.model.parameters for role in tier if role.model.source != "cloud"]
    small, large = any(size < EDITOR[0] for size in local), any(size > EDITOR[1] for size in local)
    proof = "; ".join(_of(role, _size(role)) for role in tier)
    more = "; an Editor has 7B to 14B" if small else "; above the tier's 7B to 14B, and it holds" if large else ""
    return Step(1, title, "failed" if small else "ok", f"{proof}{more}", command)


def _size(role: RolePlan) -> str:
    model = role.model
    if model.source == "cloud":
        return f"{model.name} through {role.engine}, 0 bytes here"
    return f"{model.name}: {model.parameters / 1e9:.2f}B parameters, {model.architecture}"


def _quantize(plan: Plan, typed: str) -> Step:
    """Weights in 16 bits or more are a choice that nobody has made yet."""
    roles = _local(plan)
    wide = [role for role in roles if role.model.quantization in WIDE]
    proof = "; ".join(_of(role, _loss(role)) for role in roles) or "no model runs here"
    if not wide:
        return Step(2, "Quantize", "ok", proof, _command("plan", typed))
    return Step(2, "Quantize", "open", f"{proof}; not quantized", _smaller(wide[0], typed))


def _smaller(role: RolePlan, typed: str) -> str:
    """The command that quantizes a file that is here, or plans a smaller one of a model that is not."""
    words, model = shlex.split(typed), role.model
    name = words.pop(0) if role.role is None and words else model.path or model.name
    if model.path is not None:
        return shlex.join(["aidx", "quantize", name, f"{model.name.removesuffix('.gguf')}-{SMALL}.gguf", "--to", SMALL])
    if "--quant" in words:
        at = words.index("--quant")
        del words[at : at + 2]
    return shlex.join(["aidx", "plan", name, *words, "--quant", SMALL])


def _enforce(plan: Plan, typed: str) -> Step:
    """Never more than a promise before an engine answered: only that shows whether it takes the grammar."""
    local = next((role for role in _local(plan) if role.role in {None, *EDITOR_TIER}), None)
    if local is None:
        who = []
    elif local.role is None:
        who = ["--model", *shlex.split(typed)[:1]]
    else:
        who = ["--role", local.role]
    proof = "the engine writes by a grammar of the schema, each answer is checked again; nobody asked it for one yet"
    command = shlex.join(["aidx", "ask", "Is water wet?", *who, "--schema", "builtins:bool", "--strict"])
    return Step(5, "Enforce structured output", "open", proof, command)


def _loss(role: RolePlan) -> str:
    model, loss = role.model, role.loss
    return (
        f"{model.quantization}: file {gib(model.file_bytes)}, "
        f"KLD {loss.kld_low:g} to {loss.kld_high:g} ({loss.quality}; {loss.source})"
    )


def _reserve(plan: Plan, typed: str, gates: Mapping[str, int]) -> Step:
    roles = _local(plan)
    held = all(role.max_ctx_size >= role.settings.ctx_size or plan.holds for role in roles)
    proof = "; ".join(_of(role, _kept(plan, role, gates)) for role in roles) or "no cache here"
    return Step(3, "Reserve KV headroom", "ok" if held else "failed", proof, _command("plan", typed))


def _kept(plan: Plan, role: RolePlan, gates: Mapping[str, int]) -> str:
    entries = [entry for account in plan.ledger.accounts for entry in account.entries if entry.what in CACHE]
    mine = sum(entry.bytes for entry in entries if entry.role == role.role)
    cells = f"{role.settings.n_ctx:,} cells"
    size = f"{gib(mine)} for {cells}" if mine or role.role is None else f"{cells} shared with another role"
    gate = gates.get(role.role or "")
    bound = "" if gate is None else f", gate {gate:,} tokens"
    return f"{size}{bound}; the longest context that holds is {role.max_ctx_size:,}"


def _verify(plan: Plan, typed: str, proven: Proven | None) -> Step:
    """By arithmetic; and by measurement where there was one."""
    held = f"; measured on {proven.day}" if proven is not None and proven.verdict == "HOLDS" else ""
    proof = f"{plan.binding}{held}"
    return Step(4, "Verify the total", "ok" if plan.holds else "failed", proof, _command("plan", typed, "--explain"))


def _stress(plan: Plan, typed: str, proven: Proven | None) -> Step:
    """Open until just this plan was proved, and until the proof was one."""
    title, command = "Stress test at peak KV", _command("stress", typed)
    if proven is None:
        return Step(6, title, "open", f"no stress proof for plan {plan.plan_hash}", command)
    proof = f"{PROVED[proven.verdict]} on {proven.day}: {proven.reason}"
    status: dict[Verdict, Literal["ok", "open", "failed"]] = {"HOLDS": "ok", "DOES_NOT_HOLD": "failed"}
    return Step(6, title, status.get(proven.verdict, "open"), proof, command)


def as_json(found: Checklist) -> dict[str, object]:
    """The object ``aidx.checklist/1``."""
    return {
        "schema": "aidx.checklist/1",
        "steps": [
            {"step": s.step, "title": s.title, "status": s.status, "proof": s.proof, "command": s.command}
            for s in found.steps
        ],
        "budget": [{"component": row.component, "bytes": row.bytes} for row in found.budget],
        "article": [
            {
                "claim": row.claim,
                "claimed_bytes": row.claimed_bytes,
                "exact_bytes": row.exact_bytes,
                "verdict": row.verdict,
                "note": row.note,
            }
            for row in found.article
        ],
    }
