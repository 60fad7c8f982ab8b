"""A plan as one HTML page: verdict, a picture of each device, the ledger, the settings and the ways out."""

from aidx.budget.growth import Growth
from aidx.budget.sizes import gib
from aidx.page.bar import balance
from aidx.page.figures import grouped
from aidx.page.markup import Markup, join, tag
from aidx.page.parts import device, document, foot, table, terms
from aidx.plan.result import Plan, RolePlan

VERDICTS = {
    "fits": "It fits.",
    "fits_with_offload": "It fits, with a part of the model on the host.",
    "does_not_fit": "It does not fit.",
}


def render(plan: Plan) -> str:
    """The page of *plan*, complete in itself; text of the model's metadata is escaped."""
    names = " + ".join(dict.fromkeys(title(role) for role in plan.roles))
    return document(
        f"{names}: {VERDICTS[plan.verdict]}",
        tag("h1", names),
        tag("p", "What it takes, byte by byte, and whether it holds.", class_="soft"),
        banner(plan),
        tag("h2", "Memory"),
        *(device(account, account.name) for account in plan.ledger.accounts),
        ways_out(plan),
        tag("h2", "Model and settings"),
        *(_role(role) for role in plan.roles),
        foot(f"Plan {plan.plan_hash}"),
    )


def title(role: RolePlan) -> str:
    """The model of *role* with its quantization, unless the name says it already."""
    name, quantization = role.model.name, role.model.quantization
    return name if quantization.lower() in name.lower() else f"{name} {quantization}"


def banner(plan: Plan) -> Markup:
    """The verdict, what decides it, and what must be read first."""
    holds = plan.verdict != "does_not_fit"
    balances = (tag("p", f"{account.name}: {balance(account)}") for account in plan.ledger.accounts)
    verdict = tag(
        "div",
        tag("p", tag("strong", VERDICTS[plan.verdict])),
        *balances,
        tag("p", f"What decides: {plan.binding}", class_="soft"),
        class_="verdict" if holds else "verdict over",
        data_verdict=plan.verdict,
    )
    return join((verdict, *(tag("p", note, class_="note") for note in plan.notes)))


def ways_out(plan: Plan) -> Markup:
    """The changes that would save memory or reach further; nothing where there is none."""
    if not plan.alternatives:
        return Markup()
    rows = [
        (
            tag("code", other.change),
            gib(other.saves_bytes),
            grouped(other.saves_bytes),
            grouped(other.max_ctx_size),
            other.cost,
        )
        for other in plan.alternatives
    ]
    head = ("Change", "Saves", "Bytes", "Longest context", "Cost")
    return join(
        (
            tag("h2", "Ways out"),
            table(head, rows, caption="What to change, cheapest first", numbers=(1, 2, 3)),
        )
    )


def _role(role: RolePlan) -> Markup:
    model, settings, loss = role.model, role.settings, role.loss
    name = tag("h3", title(role), tag("span", f" · {role.role or 'one model'}", class_="soft"))
    if model.source == "cloud":
        return tag("section", name, tag("p", f"Through {role.engine}: no bytes here.", class_="soft"))
    yes = {True: "on", False: "off"}
    return tag(
        "section",
        name,
        terms(
            (
                ("Architecture", model.architecture),
                ("Parameters", grouped(model.parameters)),
                ("File", f"{gib(model.file_bytes)} ({grouped(model.file_bytes)} bytes), {model.source}"),
                ("Engine", role.engine),
                ("Context", f"{grouped(settings.ctx_size)} tokens, {grouped(settings.n_ctx)} allocated"),
                (
                    "Longest context",
                    f"{grouped(role.max_ctx_size)} of {grouped(model.context_length)} tokens",
                ),
                ("Slots", str(settings.parallel)),
                ("KV cache types", _cache_types(role)),
                ("GPU layers", f"{settings.n_gpu_layers} of {model.block_count + 1}"),
                ("Experts on the host", f"{settings.n_cpu_moe} layers"),
                ("Batch", f"{settings.n_batch}, physical {settings.n_ubatch}"),
                ("Flash attention", yes[settings.flash_attn]),
                ("Unified KV", yes[settings.kv_unified]),
                ("Growth", _growth(role.growth)),
                (
                    "Loss",
                    f"KLD {loss.kld_low:g} to {loss.kld_high:g} against F16: {loss.quality} ({loss.source})",
                ),
            )
        ),
    )


def _cache_types(role: RolePlan) -> str:
    if not role.model.caches:
        return "none: no block has attention"
    return f"K {role.settings.cache_type_k}, V {role.settings.cache_type_v}"


def _growth(growth: Growth) -> str:
    """A conversation that keeps its history, in one sentence."""
    start = (
        f"{grouped(growth.bytes_per_token)} bytes a token; from {grouped(growth.start_tokens)} tokens, "
        f"{grouped(growth.tokens_per_turn)} a turn: "
    )
    full = [
        f"{what} full at turn {turn}"
        for what, turn in (("context", growth.context_full_at_turn), ("memory", growth.memory_full_at_turn))
        if turn is not None
    ]
    return start + (", ".join(full) if full else "never full")
