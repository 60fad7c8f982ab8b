"""The proofs of several processes as one: each kept to its own share of the plan, and the shares add up to it."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from aidx.budget.ledger import Entry, Ledger
from aidx.budget.proof import Evidence, Moment, Peak, Proof, Requests, Verdict
from aidx.plan.result import Plan

ORDER: tuple[Verdict, ...] = ("DOES_NOT_HOLD", "NOT_PROVEN", "HOLDS")
TURNS = "one process after the other, each under a ceiling of its own share of the plan"


def together(whole: Plan, proofs: Mapping[str, Proof]) -> Proof:
    """The proof of *whole* from those of its processes, which are named by their roles: no better than the worst."""
    found = [proof.evidence for proof in proofs.values()]
    shown = {"HOLDS": "holds", "NOT_PROVEN": "is not proven", "DOES_NOT_HOLD": "does not hold"}
    reasons = (f"{role} {shown[proof.verdict]}: {proof.reason}" for role, proof in proofs.items())
    ledger = _proved(whole.ledger, {*proofs, None})
    seen = Evidence(
        ledger,
        rows=tuple(row for each in found for row in each.rows),
        allocated=_allocated(found),
        peaks=tuple(_peaks(ledger, found)),
        ceiling=sum(each.ceiling for each in found),
        kind=next((each.kind for each in found if each.kind == "none"), found[0].kind),
        held=all(each.held for each in found),
        no_ceiling=next((each.no_ceiling for each in found if each.no_ceiling), ""),
        occupancy=min(each.occupancy for each in found),
        requests=_requests(found),
        over_refused=_refused({each.over_refused for each in found}),
        cut=any(each.cut for each in found),
        kills=sum(each.kills for each in found),
        build="; ".join(dict.fromkeys(each.build for each in found if each.build)),
        tokens_per_second=min(each.tokens_per_second for each in found),
        timeline=tuple(_timeline(proofs)),
        notes=(TURNS, *_left_out(whole, ledger), *(note for each in found for note in each.notes)),
        processes=tuple(process for each in found for process in each.processes),
    )
    verdict = min((proof.verdict for proof in proofs.values()), key=ORDER.index)
    return Proof(verdict, "; ".join(reasons), whole.plan_hash, seen)


def _proved(ledger: Ledger, roles: set[str | None]) -> Ledger:
    """*ledger* without what was not loaded."""
    accounts = (
        replace(account, entries=tuple(entry for entry in account.entries if entry.role in roles))
        for account in ledger.accounts
    )
    return replace(ledger, accounts=tuple(accounts))


def _left_out(whole: Plan, ledger: Ledger) -> Iterator[str]:
    proved = {entry.role for account in ledger.accounts for entry in account.entries}
    for account in whole.ledger.accounts:
        for role in dict.fromkeys(entry.role for entry in account.entries if entry.role not in proved):
            yield f"{role} is planned on {account.name} and makes vectors: its peak is not reached"


def _allocated(found: Sequence[Evidence]) -> dict[str, tuple[Entry, ...]]:
    names = dict.fromkeys(name for each in found for name in each.allocated)
    return {name: tuple(entry for each in found for entry in each.allocated.get(name, ())) for name in names}


def _peaks(ledger: Ledger, found: Sequence[Evidence]) -> Iterator[Peak]:
    """The most of each process, added up: they were not all at their peak at the same time, and may be."""
    for account in ledger.accounts:
        mine = [peak.measured for each in found for peak in each.peaks if peak.device == account.name]
        if account.planned:
            sizes = [size for size in mine if size is not None]
            yield Peak(account.name, account.planned, sum(sizes) if len(sizes) == len(mine) else None)


def _requests(found: Sequence[Evidence]) -> Requests:
    each = [seen.requests for seen in found]
    return Requests(
        answered=sum(one.answered for one in each),
        queued=sum(one.queued for one in each),
        refused=sum(one.refused for one in each),
        lost=sum(one.lost for one in each),
    )


def _refused(each: set[bool | None]) -> bool | None:
    return False if False in each else None if None in each else True


def _timeline(proofs: Mapping[str, Proof]) -> Iterator[Moment]:
    start = 0.0
    for role, proof in proofs.items():
        moments = proof.evidence.timeline
        for moment in moments:
            event = moment.event and f"{role}: {moment.event}"
            yield replace(moment, seconds=round(start + moment.seconds, 3), event=event)
        start += moments[-1].seconds if moments else 0.0
