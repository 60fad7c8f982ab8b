"""From the roles of a deployment to one plan of all of them."""

from collections.abc import Generator, Iterator, Sequence

from msgspec.structs import replace

from aidx.budget.growth import Growth
from aidx.budget.ledger import Ledger
from aidx.budget.loss import Loss
from aidx.budget.settings import Settings, room
from aidx.budget.sizes import gib
from aidx.errors import InputError
from aidx.model.spec import Header, ModelSpec
from aidx.plan.deployment.arrange import arrange, longest_kv
from aidx.plan.deployment.changes import changes
from aidx.plan.deployment.members import Arrangement, Member, Process, Remote, kv_bytes
from aidx.plan.devices import Machine
from aidx.plan.make import binding, notes, promise, role_plan, verdict
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Plan, RolePlan

Ledgers = tuple[Ledger, ...]
ELSEWHERE = Loss(0.0, 0.0, "reference", "runs elsewhere; its loss is not known here")


def deploy(
    members: Sequence[Member], machine: Machine, remotes: Sequence[Remote] = ()
) -> Generator[Probe, Answer, Plan]:
    """Plan all *members* together on *machine*; *remotes* take nothing of it.

    The roles come in the order given, local ones first. Raises ``InputError`` for settings that an engine does not
    take, and for a gate that its role's context does not hold.
    """
    found = yield from _asked((yield from arrange(members, machine)))
    roles: list[RolePlan] = []
    for process in found.processes:
        roles += yield from _roles(found, process)
    order = {member.role: place for place, member in enumerate(members)}
    roles.sort(key=lambda role: order[role.role or ""])
    roles += [_remote(remote) for remote in remotes]
    holds = found.holds
    placed = [(process.settings, process.seat.desk.model) for process in found.processes if process.gpus]
    ledger = found.ledger
    return Plan(
        roles=tuple(roles),
        ledger=ledger,
        verdict=verdict(ledger, placed) if holds else "does_not_fit",
        binding=(yield from _binding(found)),
        alternatives=() if holds else (yield from changes(members, machine, found)),
        plan_hash=promise(roles, ledger),
        notes=_notes(found),
    )


def part(whole: Plan, role: str) -> Plan:
    """The plan of *role* alone, at what it gets in *whole*: what one engine is started with and held against."""
    mine = next(each for each in whole.roles if each.role == role)
    owned = {owner(whole, role), None}
    accounts = tuple(
        replace(account, entries=tuple(entry for entry in account.entries if entry.role in owned))
        for account in whole.ledger.accounts
    )
    ledger = replace(whole.ledger, accounts=accounts)
    return replace(whole, roles=(mine,), ledger=ledger, plan_hash=promise((mine,), ledger), alternatives=())


def owner(whole: Plan, role: str) -> str:
    """The role under which the process that answers for *role* stands in the ledger of *whole*."""
    mine = next(each for each in whole.roles if each.role == role)
    owners = {entry.role for account in whole.ledger.accounts for entry in account.entries}
    if role in owners:
        return role
    return next((each.role for each in whole.roles if each.role in owners and _shares(each, mine)), role) or role


def _shares(one: RolePlan, other: RolePlan) -> bool:
    return (one.settings, one.engine) == (other.settings, other.engine) and one.model == other.model


def _asked(found: Arrangement) -> Generator[Probe, Answer, Arrangement]:
    """*found* with the engine's own answers."""
    ledgers: Ledgers = ()
    for process in found.processes:
        ledgers += ((yield from process.seat.desk.ask(process.settings)),)
    return replace(found, ledgers=ledgers)


def _roles(found: Arrangement, process: Process) -> Generator[Probe, Answer, list[RolePlan]]:
    cap = yield from longest_kv(process)
    desk = process.seat.on(found.left_to(process), settled=found.shared)
    made = yield from role_plan(process.seat, desk, process.settings, cap=cap)
    trained = process.seat.desk.model.context_length
    context = min(process.settings.n_ctx_seq, trained)
    for member in process.members:
        if member.at_least > context:
            raise InputError(
                f"roles.{member.role}: gate and max_tokens take {member.at_least:,} tokens of a context of {context:,}",
                hint=f"Name a smaller gate or max_tokens{room(context, trained)}.",
            )
    return [replace(made, role=member.role) for member in process.members]


def _binding(found: Arrangement) -> Generator[Probe, Answer, str]:
    for process in found.over_kv:
        ledger = found.ledgers[found.processes.index(process)]
        reach = yield from longest_kv(process)
        return (
            f"{process.role}: the cache takes {gib(kv_bytes(ledger))}, over [pipeline] max_kv of "
            f"{gib(process.max_kv or 0)}; {reach:,} tokens of context keep it"
        )
    return binding(found.ledger)


def _notes(found: Arrangement) -> tuple[str, ...]:
    lines: dict[str, list[str]] = {}
    for process, ledger in zip(found.processes, found.ledgers, strict=True):
        for line in (*notes(process.seat, process.settings), *process.seat.rules.remarks(ledger, process.settings)):
            lines.setdefault(line, []).append(process.role)
    said = [line if len(of) == len(found.processes) else f"{', '.join(of)}: {line}" for line, of in lines.items()]
    said += [
        f"{' and '.join(member.role for member in process.members)} share one process"
        for process in found.processes
        if len(process.members) > 1
    ]
    return (*said, *_twice(found))


def _twice(found: Arrangement) -> Iterator[str]:
    """Models that are loaded more than once, because their settings differ."""
    models = [process.seat.desk.model for process in found.processes]
    for number, model in enumerate(models):
        roles = [process.role for process, other in zip(found.processes, models, strict=True) if other == model]
        if len(roles) > 1 and models.index(model) == number:
            named = f"{model.name} {model.quantization}"
            yield f"{named} is loaded {len(roles)} times: {' and '.join(roles)} differ in their settings"


def _remote(remote: Remote) -> RolePlan:
    model = ModelSpec(
        name=remote.model,
        source="cloud",
        architecture="",
        quantization="",
        header=Header({}, (), 0),
        layers=(),
        block_count=0,
        context_length=remote.context_length,
        embedding_length=0,
        vocab_size=0,
        file_bytes=0,
    )
    growth = Growth(0, 0, 600, None, None)
    return RolePlan(remote.role, model, remote.engine, Settings(ctx_size=0), remote.context_length, growth, ELSEWHERE)
