"""What ``aidx serve`` offers: the roles of a plan, with the processes that answer for them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from aidx.errors import InputError
from aidx.plan.result import Plan
from aidx.wiring.engines import Bounds, Filled, fill, held, variable

if TYPE_CHECKING:
    from aidx.config.values import RoleTable
    from aidx.gate.admit import Limits
    from aidx.serve.evict import Turn
    from aidx.serve.memory import Memory
    from aidx.serve.run import Offer

Tell = Callable[[str], object]


def offers(
    plan: Plan, tables: "Mapping[str, RoleTable]", typed: Bounds, tell: Tell, *, alone: str, swap: bool = False
) -> "list[Offer]":
    """The roles of *plan* with the bounds of their *tables*; the plan of one MODEL is the role *alone*.

    What was *typed* counts for each role. They come in the order of their rank: who asks for no model in particular
    means the first. Roles that share a process in the plan share it here; with *swap* processes take turns. Raises
    ``BudgetError`` for a plan that does not hold, ``InputError`` for bounds that a role's context does not hold.
    """
    from aidx.plan.deployment.members import ROLES
    from aidx.plan.deployment.plan import owner, part
    from aidx.serve.run import Offer, Process

    held(plan)
    processes: dict[tuple[str, str | None], Process] = {}
    found: list[Offer] = []
    lacking: list[str] = []
    for each in plan.roles:
        role = each.role or alone
        table = tables.get(role)
        if why := _lacking(table):
            lacking.append(f"{role} is not served: {why}")
            continue
        mine = plan if each.role is None else part(plan, each.role)
        filled = _filled(mine, table, typed, tell, role)
        of = role if each.role is None else owner(plan, each.role)
        key = (of, _url(table))
        if key not in processes:
            name = of if key[1] == _url(tables.get(of)) else role
            turn = _turn(mine) if swap and not filled.leaves else None
            memory = None if filled.leaves else _memory(mine)
            processes[key] = Process(name, filled.start, filled.cell_bytes, filled.own, filled.leaves, turn, memory)
        found.append(Offer(role, filled.model, _bounded(filled, typed, table), processes[key], filled.embeds))
    if not found:
        raise InputError("; ".join(lacking), hint="Put the key into the variable, or configure a role that runs here.")
    for line in lacking:
        tell(f"aidx: {line}")
    return sorted(found, key=lambda offer: ROLES.index(offer.role))


def within(plan: Plan, tables: "Mapping[str, RoleTable]") -> Plan:
    """*plan*, whose roles leave room for the bounds of their *tables*.

    Raises ``InputError`` as ``offers`` would, for what would be planned and then not served.
    """
    local = [(each, table) for each in plan.roles if (table := tables.get(each.role or "")) is not None]
    for each, table in local:
        if plan.holds and each.model.source != "cloud":
            try:
                Bounds().over(table).of(each.settings, each.model.context_length)
            except InputError as wrong:
                raise InputError(f"roles.{each.role}: {wrong}", hint=wrong.hint) from None
    return plan


def _turn(plan: Plan) -> "Turn":
    from aidx.serve.evict import Turn

    accounts = plan.ledger.accounts
    return Turn({each.name: each.planned for each in accounts}, {each.name: each.usable for each in accounts})


def _memory(plan: Plan) -> "Memory | None":
    """What the process of *plan* may hold of the host; ``None`` where nothing is planned there."""
    from aidx.adapters.host import own_memory
    from aidx.serve.memory import Memory, margin

    host = next((account for account in plan.ledger.accounts if account.kind == "host" and account.planned), None)
    return None if host is None else Memory(host.planned, margin(host.headroom), own_memory)


def _url(table: "RoleTable | None") -> str | None:
    return None if table is None or not table.urls else " ".join(table.urls)


def _lacking(table: "RoleTable | None") -> str:
    """Why a role cannot be served, though all others may: its key is not there."""
    if table is None or table.api_key_env is None:
        return ""
    try:
        variable(table.api_key_env)
    except InputError as wrong:
        return str(wrong)
    return ""


def _filled(plan: Plan, table: "RoleTable | None", typed: Bounds, tell: Tell, role: str) -> Filled:
    """What fills the *role* of *plan*; whose bounds do not fit is said where there are several."""
    try:
        return fill(plan, table, tell=tell, role=role, bounds=typed)
    except InputError as wrong:
        if plan.roles[0].role is None or str(wrong).startswith("roles."):
            raise
        raise InputError(f"roles.{role}: {wrong}", hint=wrong.hint) from None


def _bounded(filled: Filled, typed: Bounds, table: "RoleTable | None") -> "Limits":
    """The limits of its requests; where vectors are made there is no output to leave room for."""
    limits = filled.limits
    if not filled.embeds:
        return limits
    return replace(limits, gate=typed.over(table).gate or limits.n_ctx_seq, max_tokens=0)
