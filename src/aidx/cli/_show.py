"""Plans and checklists as lines for a person."""

from aidx.budget.ledger import OUTSIDE, Account
from aidx.budget.settings import CELL_PAD, Settings
from aidx.budget.sizes import gib
from aidx.budget.split import owners, parts_text
from aidx.page.bar import bar, legend
from aidx.plan.checklist import Checklist
from aidx.plan.result import Alternative, Plan, RolePlan

BAR = 64


def plan_lines(plan: Plan, width: int = 100, *, plain: bool = False) -> list[str]:
    """The plan as ``aidx plan`` prints it: notes first, then each device, then the answers.

    *plain* draws with ASCII, for an output that has no other characters.
    """
    local = [role for role in plan.roles if role.model.source != "cloud"]
    lines = [f"note: {note}" for note in plan.notes]
    lines += [_answer(plan), *(_reach(role) for role in local), f"binding: {plan.binding}", ""]
    for role in plan.roles:
        lines += _head(role)
    for account in plan.ledger.accounts:
        lines += ["", *_device(account, min(BAR, width), plain=plain)]
    lines += ["", *(_growth(role) for role in local)]
    lines += _alternatives(plan)
    lines.append(f"plan {plan.plan_hash}; --explain shows the equations, --json every byte")
    return lines


def _named(role: RolePlan) -> str:
    """What a line about one role of several begins with."""
    return "" if role.role is None else f"{role.role}: "


def _head(role: RolePlan) -> list[str]:
    model, settings = role.model, role.settings
    if model.source == "cloud":
        return [f"{_named(role)}{model.name} through {role.engine}: no bytes here"]
    layers = _layers(settings, model.block_count + 1)
    experts = f", experts of {settings.n_cpu_moe} blocks on the host" if settings.n_cpu_moe else ""
    exact = "" if model.header_exact else " (tokenizer estimated)"
    first = (
        f"{_named(role)}{model.name} {model.quantization}: {model.architecture}, {_count(model.parameters)} "
        f"parameters, file {gib(model.file_bytes)}{exact}, from {model.source}"
    )
    cache = f"KV {settings.cache_type_k}/{settings.cache_type_v}" if model.caches else "no KV cache"
    second = (
        f"{_named(role)}context {settings.ctx_size:,} ({settings.n_ctx:,} cells), {settings.parallel} slot(s), "
        f"{cache}, ubatch {settings.ubatch_size}, "
        f"flash attention {'on' if settings.flash_attn else 'off'}, {layers}{experts}"
    )
    return [first, second]


def _layers(settings: Settings, every: int) -> str:
    """Where the layers are: ``CPU only``, or how many on which GPU."""
    on_gpu = min(settings.n_gpu_layers, every)
    if not on_gpu:
        return "CPU only"
    if not settings.tensor_split:
        return f"{on_gpu} of {every} layers on gpu{settings.main_gpu if settings.split_mode == 'none' else 0}"
    where = owners(settings.tensor_split, on_gpu)
    shares = ", ".join(f"{where.count(gpu)} on gpu{gpu}" for gpu in range(len(settings.tensor_split)))
    return f"{on_gpu} of {every} layers on GPUs ({shares}: --tensor-split {parts_text(settings.tensor_split)})"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f}B" if parameters >= 10**8 else f"{parameters / 1e6:.2f}M"


def _device(account: Account, width: int, *, plain: bool) -> list[str]:
    wide = max((len(entry.role or "") for entry in account.entries), default=0)
    lines = [
        f"{account.name}  {gib(account.total)}, usable {gib(account.usable)}",
        bar(account, width, plain=plain),
        legend(account, plain=plain),
    ]
    for entry in sorted(account.entries, key=lambda entry: entry.what in OUTSIDE):
        mark = "-" if entry.what in OUTSIDE else " "
        of = f"{entry.role or '':<{wide}}  " if wide else ""
        lines.append(f" {mark}{of}{entry.what:<15} {gib(entry.bytes):>8}  {entry.grade:<8}  {entry.why}")
    gap = wide + 2 if wide else 0
    lines.append(f"  {'planned':<{15 + gap}} {gib(account.planned):>8}")
    return lines


def _answer(plan: Plan) -> str:
    words = {"fits": "fits", "fits_with_offload": "fits with offload", "does_not_fit": "does not fit"}
    parts = [
        f"{account.name} {gib(account.planned)} of {gib(account.usable)} ({account.headroom / (1 << 30):+.2f})"
        for account in plan.ledger.accounts
    ]
    return f"{words[plan.verdict]}: {', '.join(parts)}"


def _reach(role: RolePlan) -> str:
    trained = role.model.context_length // CELL_PAD * CELL_PAD
    limit = ", all that the model was trained for" if role.max_ctx_size == trained else ""
    return f"{_named(role)}longest context that holds: {role.max_ctx_size:,} tokens{limit}"


def _growth(role: RolePlan) -> str:
    growth = role.growth
    each = f"{growth.bytes_per_token:,} B a token" if growth.bytes_per_token else "nothing grows with the context"
    text = f"{_named(role)}growth: {each}; at {growth.tokens_per_turn} tokens a turn "
    if growth.context_full_at_turn is not None:
        text += f"the context is full at turn {growth.context_full_at_turn}"
    else:
        text += "the context is never full"
    if growth.memory_full_at_turn is not None:
        text += f", the memory would be at turn {growth.memory_full_at_turn}"
    return text


def _alternatives(plan: Plan) -> list[str]:
    if not plan.alternatives or not _wanted(plan):
        return []
    title = "ways out:" if plan.verdict == "does_not_fit" else "room to gain:"
    return [title] + [
        f"  {other.change:<44} saves {gib(other.saves_bytes)}{_up_to(other)}; {other.cost}"
        for other in plan.alternatives
    ]


def _up_to(other: Alternative) -> str:
    return f", context up to {other.max_ctx_size:,}" if other.max_ctx_size else ""


def _wanted(plan: Plan) -> bool:
    """Whether anything could be gained: the plan does not hold, or memory is what ends the context."""
    short = any(role.max_ctx_size < role.model.context_length // CELL_PAD * CELL_PAD for role in plan.roles)
    return plan.verdict != "fits" or short


def checklist_lines(found: Checklist) -> list[str]:
    """The steps, the component table and the article's figures."""
    lines = []
    for step in found.steps:
        lines += [f"[{step.status:<6}] {step.step}. {step.title}", f"         {step.proof}", f"         {step.command}"]
    wide = max(28, *(len(row.component) for row in found.budget))
    lines += ["", *(f"{row.component:<{wide}} {gib(row.bytes):>8}" for row in found.budget)]
    if found.article:
        lines += ["", f"{'the article says':<58} {'claimed':>9} {'exact':>9}  verdict"]
    for claim in found.article:
        figures = f"{gib(claim.claimed_bytes):>9} {gib(claim.exact_bytes):>9}"
        lines.append(f"{claim.claim:<58} {figures}  {claim.verdict}; {claim.note}")
    return lines
