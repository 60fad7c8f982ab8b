"""The Verifier Cascade as ``aidx.toml`` configures it, and what runs the commands of its rules."""

import asyncio  # noqa: TID253 - imported where a cascade is built, and not before
from contextlib import closing
from difflib import get_close_matches
from typing import TYPE_CHECKING

from aidx.errors import AidxError, InputError
from aidx.patterns.vocabulary import Command, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aidx.config.merge import Settled
    from aidx.gate.patterns import Runner
    from aidx.patterns.terms import Terms
    from aidx.serve.exchange import Offered
    from aidx.serve.run import Offer
    from aidx.serve.service import Service

PASSES = 0


def terms(settled: "Settled", roles: frozenset[str], remote: frozenset[str] = frozenset()) -> "Terms":
    """What *settled* says of a cascade over *roles*; raises ``InputError`` for a rule that cannot be."""
    from aidx.patterns.rules import rules
    from aidx.patterns.terms import Terms

    table = settled.config.cascade
    try:
        told = rules(table.rules)
        _check_names(settled)
    except InputError as wrong:
        raise InputError(f"cascade.rules: {wrong}", hint=wrong.hint) from None
    return Terms(
        roles=roles,
        remote=remote,
        local_only=settled.config.route.local_only,
        rules=told,
        repairs=table.repairs,
        escalate=table.escalate,
    )


def offered(settled: "Settled", offers: "Sequence[Offer]") -> "list[Callable[[Mapping[str, Service]], Offered]]":
    """The model ``cascade``, where its roles are among *offers*; nothing where they are not."""
    from aidx.patterns.cascade import PATTERN
    from aidx.serve.patterned import Patterned
    from aidx.wiring.feedback import learning

    roles = frozenset(offer.role for offer in offers if not offer.embeds)
    asked = terms(settled, roles, frozenset(offer.role for offer in offers if offer.process.leaves))
    if not PATTERN.offered(asked):
        return []
    run = runner(settled)
    stands_for = tuple(str(role) for role, table in settled.config.roles.items() if table.pattern == PATTERN.name)

    def make(services: "Mapping[str, Service]") -> "Offered":
        gates = {role: service.gate for role, service in services.items() if not service.embeds}
        needed = [services[role].bounds for role in PATTERN.needs]
        bounds = {name: min(each[name] for each in needed) for name in needed[0]}
        return Patterned(learning(PATTERN, settled), asked, gates, bounds, run, stands_for=stands_for)

    return [make]


def standing(
    settled: "Settled", made: "Sequence[Callable[[Mapping[str, Service]], Offered]]"
) -> "dict[str, Callable[[Mapping[str, Service]], Offered]]":
    """The roles that a cascade of *made* stands for."""
    if not made:
        return {}
    return {str(role): made[0] for role, table in settled.config.roles.items() if table.pattern is not None}


def runner(settled: "Settled", root: str = ".") -> "Runner":
    """Runs the commands of ``[checks]`` on an answer, and tries its edit blocks on the tree at *root*."""
    from aidx.adapters.checks import ProcessChecker
    from aidx.patterns.rules.patch import TRIED

    tables = settled.config.roles.values()
    withheld = {str(table.api_key_env) for table in tables} | {str(settled.config.serve.api_key_env)}
    checker = ProcessChecker(root, withheld)

    def run(command: Command) -> Ran:
        if command.name == TRIED:
            return _tried(command.text, root)
        argv = settled.config.checks.get(command.name)
        if argv is None:
            raise InputError(f"[checks] has no {command.name}", hint="Add it, or take the rule out of [cascade].")
        ended = checker.run(argv, command.text)
        return Ran(1 if ended.status is None else ended.status, ended.output)

    return lambda command: asyncio.to_thread(run, command)


def _tried(text: str, root: str) -> Ran:
    """Decide what the edit blocks in *text* would change; nothing is written."""
    from aidx.adapters.workspace.held import HeldWorkspace
    from aidx.pipeline.apply import apply

    try:
        with closing(HeldWorkspace(root)) as workspace:
            outcome = apply(text, workspace, dry_run=True)
    except AidxError as error:
        return Ran(1, str(error))
    reasons = [f"{each.path}: block {each.block}: {each.reason}, {each.detail}" for each in outcome.refused]
    return Ran(PASSES if outcome.applied else 1, "; ".join(reasons))


def _check_names(settled: "Settled") -> None:
    """Raise ``InputError`` for a rule that names a check which is not configured."""
    for line in settled.config.cascade.rules:
        rule, _, name = line.strip().partition(" ")
        if rule == "check" and name.strip() not in settled.config.checks:
            near = get_close_matches(name, settled.config.checks, 1)
            hint = f"Did you mean {near[0]}?" if near else "Write it into [checks]: a name, and a command as a list."
            raise InputError(f"there is no check {name.strip()!r}", hint=hint)
