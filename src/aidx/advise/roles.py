"""What fills each role on a machine, and what one model is for: choices by closed forms, role by role."""

from collections.abc import Iterable

from msgspec.structs import replace

from aidx.advise.best import choose
from aidx.model.catalogue import Cloud
from aidx.plan.choice import Candidate, Chosen, Terms
from aidx.plan.devices import Machine
from aidx.plan.filled import Filled, Judged
from aidx.plan.need import Need
from aidx.plan.roles import CTX, QUANTS, ROLES, SMALL_CTX, Role, suits
from aidx.plan.speed import Pace

FIRST = 3


def fill(
    candidates: Iterable[Candidate], clouds: tuple[Cloud, ...], machine: Machine, pace: Pace
) -> tuple[Filled, ...]:
    """The first models for each role on *machine*; roles of the Micro tier are planned for its CPU alone."""
    known = tuple(replace(one, quants=_usual(one)) for one in candidates)
    return tuple(_filled(role, known, clouds, machine, pace) for role in ROLES.values())


def _usual(candidate: Candidate) -> tuple[str, ...]:
    return tuple(quant for quant in QUANTS if quant in candidate.quants) or candidate.quants


def _filled(
    role: Role, known: tuple[Candidate, ...], clouds: tuple[Cloud, ...], machine: Machine, pace: Pace
) -> Filled:
    right = tuple(one for one in known if suits(role, one.standing, one.parameters).suits)
    if not right and not clouds:
        return Filled(role, (), "no model of the catalogue is made for this")
    found = _chosen(right, _wish(role, clouds), machine, pace)
    if found.choices:
        return Filled(role, found.choices[:FIRST])
    if found.nearest is None:
        return Filled(role, (), "no model of the catalogue is made for this")
    return Filled(role, (), f"nothing holds: {found.nearest.sentence}")


def _wish(role: Role, clouds: tuple[Cloud, ...] = ()) -> Terms:
    ctx = SMALL_CTX if role.tier == "micro" else CTX
    return Terms(Need(ctx_size=ctx, fast=True), caches=(("f16", "f16"),), role=role, clouds=clouds)


def _chosen(candidates: tuple[Candidate, ...], wish: Terms, machine: Machine, pace: Pace) -> Chosen:
    small = wish.role is not None and wish.role.tier == "micro"
    return choose(candidates, wish, replace(machine, gpus=()) if small else machine, None, pace)


def judge(candidate: Candidate, machine: Machine, pace: Pace) -> Judged:
    """What a model of this machine is for, and how it holds here."""
    found = choose((candidate,), Terms(Need(ctx_size=CTX, fast=True)), machine, None, pace)
    return Judged(
        candidate.name,
        candidate.standing,
        candidate.parameters,
        tuple(suits(role, candidate.standing, candidate.parameters) for role in ROLES.values()),
        found.choices[:FIRST],
        found.nearest,
    )


def judge_cloud(cloud: Cloud) -> Judged:
    """What a model of the cloud is for; one that nobody offers is right for nothing."""
    judged = tuple(suits(role, cloud.standing, None) for role in ROLES.values())
    if not cloud.offered:
        judged = tuple(replace(one, suits=False, why=cloud.standing.adherence_source) for one in judged)
    return Judged(cloud.id, cloud.standing, None, judged)
