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
from aidx.plan.enforced import Enforced, answering
from aidx.plan.proven import NO_PROOFS, VECTORS, Proofs, Proven
from aidx.plan.result import Plan, RolePlan

EDITOR = (6_500_000_000, 15_000_000_000)  # the role map's 7B-14B: models sold as such have 6.7B to 14.8B
Status = Literal["ok", "open", "failed"]
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


PROVED: Mapping[Verdict, tuple[Status, str]] = MappingProxyType(
    {"HOLDS": ("ok", "held"), "DOES_NOT_HOLD": ("failed", "did not hold"), "NOT_PROVEN": ("open", "not proven")}
)


class Step(Struct, frozen=True):
    """``open`` until *command* has given its *proof*."""

    step: int
    title: str
    status: Status
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
    *,
    proofs: Proofs = NO_PROOFS,
    enforced: Enforced | None = None,
) -> Checklist:
    """The six steps for *plan*; later commands prove steps 5 and 6, which stay ``open`` until then.

    *typed* is the model and the options that the plan was asked with, so that each command proves this plan.
    *gates* are the most prompt tokens of roles that name them, *proofs* the last stress proofs of just this plan, one
    for each process of it; *enforced* is the last answer of ``answering(plan)`` that a grammar shaped.
    """
    return Checklist(
        steps=(
            _select(plan, typed),
            _quantize(plan, typed),
            _reserve(plan, typed, gates),
            _verify(plan, typed, proofs),
            _enforce(plan, typed, enforced),
            _stress(plan, typed, proofs),
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
    return Step(2, "Quantize", "open", f"{proof}; not quantized{_then(wide)}", _smaller(wide[0], typed))


def _then(wide: Sequence[RolePlan]) -> str:
    """What is left to do when the smaller file of the first is there."""
    first = wide[0]
    if first.model.path is None:
        return ""
    file = _smaller_file(first)
    if first.role is None:
        return f": make the smaller file, then ask for {file}"
    tables = " and ".join(f"[roles.{role.role}]" for role in wide if role.model == first.model)
    return f': make the smaller file, then name it in {tables}: model = "{file}"'


def _smaller_file(role: RolePlan) -> str:
    return f"{role.model.name.removesuffix('.gguf')}-{SMALL}.gguf"


def _smaller(role: RolePlan, typed: str) -> str:
    """The command that quantizes a file that is here, or plans a smaller one of a model that is not."""
    words, model = shlex.split(typed), role.model
    name = words.pop(0) if role.role is None and words else model.path or model.name
    if model.path is not None:
        return shlex.join(["aidx", "quantize", name, _smaller_file(role), "--to", SMALL])
    if "--quant" in words:
        at = words.index("--quant")
        del words[at : at + 2]
    return shlex.join(["aidx", "plan", name, *words, "--quant", SMALL])


def _enforce(plan: Plan, typed: str, enforced: Enforced | None) -> Step:
    """Never more than a promise before an engine answered: only that shows whether it takes the grammar."""
    title, asked, command = "Enforce structured output", answering(plan), _ask(plan, typed)
    if asked is None or enforced is None:
        proof = "the engine writes by a grammar of the schema, each answer is checked again; nobody asked for one yet"
        return Step(5, title, "open", proof, command)
    proof = f"{asked.model.name} answered by its grammar on {enforced.day}, through {enforced.engine}"
    return Step(5, title, "ok", _of(asked, proof), command)


def _ask(plan: Plan, typed: str) -> str:
    """The command that asks whoever answers for something that only a grammar makes sure of."""
    words, asked = shlex.split(typed), answering(plan)
    at = words.index("--config") if "--config" in words else len(words)
    config = words[at : at + 2]
    if asked is None:
        who = []
    elif asked.role is not None:
        who = ["--role", asked.role]
    else:
        engine = [] if asked.auto else ["--engine", asked.engine]
        who = ["--model", *words[:1], *engine]
    return shlex.join(["aidx", "ask", "Is water wet?", *who, *config, "--schema", "builtins:bool", "--strict"])


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


def _verify(plan: Plan, typed: str, proofs: Proofs) -> Step:
    """By arithmetic; and by measurement where there was one."""
    days = {proof.day for proof in proofs.values() if proof is not None and proof.verdict == "HOLDS"}
    held = f"; measured on {max(days)}" if _stressed(proofs) == "ok" else ""
    proof = f"{plan.binding}{held}"
    return Step(4, "Verify the total", "ok" if plan.holds else "failed", proof, _command("plan", typed, "--explain"))


def _stress(plan: Plan, typed: str, proofs: Proofs) -> Step:
    """Open until each process of just this plan was proved, and until the proof was one."""
    title, command = "Stress test at peak KV", _command("stress", typed)
    if not any(proofs.values()):
        return Step(6, title, "open", f"no stress proof for plan {plan.plan_hash}", command)
    said = [f"{'' if role is None else f'{role}: '}{_proved(proof)}" for role, proof in proofs.items()]
    said += [f"{VECTORS} makes vectors and is not loaded" for role in _local(plan) if role.role == VECTORS]
    return Step(6, title, _stressed(proofs), "; ".join(said), command)


def _stressed(proofs: Proofs) -> Status:
    found = [None if proof is None else PROVED[proof.verdict][0] for proof in proofs.values()]
    return "failed" if "failed" in found else "ok" if found and set(found) == {"ok"} else "open"


def _proved(proof: Proven | None) -> str:
    return "no proof so far" if proof is None else f"{PROVED[proof.verdict][1]} on {proof.day}: {proof.reason}"


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
