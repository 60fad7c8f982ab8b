"""Plans a whole deployment."""

from collections.abc import Sequence

from msgspec.structs import replace

from aidx.advise.driving import drive
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy as together
from aidx.plan.deployment.turns import in_turns
from aidx.plan.devices import Machine
from aidx.plan.result import Plan
from aidx.ports.prober import Prober


def deploy(
    members: Sequence[Member],
    machine: Machine,
    prober: Prober | None = None,
    remotes: Sequence[Remote] = (),
    *,
    turns: bool = False,
) -> Plan:
    """Plan all *members* together on *machine*; blocks while *prober* asks the engine.

    Without a *prober* closed forms answer alone. *remotes* are roles that run elsewhere. With *turns* each process
    has the devices to itself. Raises as ``aidx.plan.deployment.plan.deploy`` does.
    """
    if prober is None:
        members = tuple(replace(member, need=replace(member.need, fast=True)) for member in members)
    steps = in_turns if turns else together
    return drive(steps(members, machine, remotes), prober)
