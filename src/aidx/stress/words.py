"""A proof as lines for a terminal: three to read first, then what they rest on."""

from aidx.budget.proof import Evidence, Proof, Slope, Twin, beside
from aidx.budget.sizes import amount
from aidx.page.groups import LABELS

KINDS = {
    "cgroup1": "cgroup v1",
    "cgroup2": "cgroup v2",
    "systemd": "a scope of systemd's",
    "job": "a job object",
    "none": "none",
}
VERDICTS = {"HOLDS": "HOLDS", "DOES_NOT_HOLD": "DOES NOT HOLD", "NOT_PROVEN": "NOT PROVEN"}


def lines(proof: Proof, name: str) -> list[str]:
    """The whole report on the plan of the model called *name*."""
    seen = proof.evidence
    return [
        f"{VERDICTS[proof.verdict]}: {name}: {proof.reason}",
        _over(seen),
        _unplanned(proof.twin),
        "",
        *(f"note: {note}" for note in seen.notes),
        f"{'':<24}{'planned':>16}{'measured':>16}{'difference':>12}",
        *_entries(seen),
        *_peaks(seen),
        "",
        _wall(seen),
        _requests(seen),
        _grown(seen.growth),
        *_processes(seen),
        f"plan {proof.plan_hash}{f'; {seen.build}' if seen.build else ''}",
    ]


def _over(seen: Evidence) -> str:
    if seen.over_refused is None:
        return "one token over the limit: not tried"
    return f"one token over the limit: {'refused' if seen.over_refused and not seen.cut else 'NOT refused'}"


def _unplanned(twin: Twin | None) -> str:
    if twin is None:
        return "unplanned, under the same ceiling: not tried (--twin)"
    return f"unplanned, under the same ceiling: {'dies' if twin.died else 'lives'}: {twin.what}"


def _entries(seen: Evidence) -> list[str]:
    if not any(seen.allocated.values()):
        return ["entry by entry: not compared, the engine does not say what its buffers take"]
    found = []
    for row in beside(seen):
        share = "as planned" if row.equal else f"{row.share:+.1%}" if row.planned else "unplanned"
        found.append(f"{f'{row.device} {LABELS[row.what]}':<24}{row.planned:>14,} B{row.measured:>14,} B{share:>12}")
    return found


def _peaks(seen: Evidence) -> list[str]:
    found = []
    for peak in seen.peaks:
        if peak.measured is None:
            size, share = "not seen", ""
        else:
            size = f"{peak.measured:,} B"
            share = f"{(peak.measured - peak.planned) / peak.planned:+.1%}" if peak.planned else ""
        found.append(f"{f'{peak.device} at its peak':<24}{peak.planned:>14,} B{size:>16}{share:>12}")
    return found


def _wall(seen: Evidence) -> str:
    if seen.kind == "none":
        return f"ceiling: none ({seen.no_ceiling})"
    killed = f", {seen.kills} killed by it" if seen.kills else ""
    return f"ceiling: {amount(seen.ceiling)}, {KINDS[seen.kind]}{'' if seen.held else ', not confirmed'}{killed}"


def _requests(seen: Evidence) -> str:
    found = seen.requests
    return (
        f"requests: {found.answered} answered ({found.queued} of them had to wait), {found.refused} refused, "
        f"{found.lost} lost; KV pool {seen.occupancy:.1%} full"
    )


def _processes(seen: Evidence) -> list[str]:
    """Each process with the most that it held; those that the plan does not count say so."""
    return [
        f"process: {each.name} ({each.pid}), {amount(each.peak)} at its peak{', in no ledger' if each.aside else ''}"
        for each in seen.processes
    ]


def _grown(growth: Slope | None) -> str:
    if growth is None:
        return "growth: not measured"
    return (
        f"growth: {growth.per_turn:+,.0f} B a turn over the last {growth.turns} turns "
        f"(95 %: {growth.low:+,.0f} to {growth.high:+,.0f})"
    )
