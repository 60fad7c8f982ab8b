"""A proof as the JSON object ``aidx.stress/1``."""

from aidx.budget.ledger import OUTSIDE, Entry
from aidx.budget.proof import Proof, Slope, Twin, beside, measured

Json = dict[str, object]


def as_json(proof: Proof) -> Json:
    """The object that ``aidx stress --json`` prints; its schema is ``data/schemas/stress.json``."""
    seen = proof.evidence
    return {
        "schema": "aidx.stress/1",
        "verdict": proof.verdict,
        "reason": proof.reason,
        "plan_hash": proof.plan_hash,
        "planned": [
            _entry(account.name, entry)
            for account in seen.ledger.accounts
            for entry in account.entries
            if entry.what not in OUTSIDE
        ],
        "measured": [_entry(device, entry) for device, entry in measured(seen)],
        "planned_peak_bytes": seen.planned_peak,
        "measured_peak_bytes": seen.measured_peak,
        "ceiling_bytes": seen.ceiling,
        "ceiling_kind": seen.kind,
        "kv_occupancy": round(seen.occupancy, 4),
        "requests": {
            "answered": seen.requests.answered,
            "queued": seen.requests.queued,
            "refused": seen.requests.refused,
            "lost": seen.requests.lost,
        },
        "growth_bytes_per_turn": None if seen.growth is None else round(seen.growth.per_turn),
        "timeline": [[moment.seconds, moment.bytes, moment.event] for moment in seen.timeline],
        "growth": _growth(seen.growth),
        "one_token_over_refused": seen.over_refused,
        "devices": [
            {"name": peak.device, "planned_bytes": peak.planned, "measured_bytes": peak.measured} for peak in seen.peaks
        ],
        "differences": [
            {
                "device": row.device,
                "what": row.what,
                "planned_bytes": row.planned,
                "measured_bytes": row.measured,
                "rounding_bytes": row.rounding,
            }
            for row in beside(seen)
        ],
        "processes": [
            {"pid": each.pid, "name": each.name, "peak_bytes": each.peak, "planned": not each.aside}
            for each in seen.processes
        ],
        "tokens_per_second": round(seen.tokens_per_second, 1),
        "build": seen.build,
        "twin": _twin(proof.twin),
        "notes": list(seen.notes),
    }


def _entry(device: str, entry: Entry) -> Json:
    return {
        "device": device,
        "what": entry.what,
        "bytes": entry.bytes,
        "why": entry.why,
        "grade": entry.grade,
        "role": entry.role,
    }


def _growth(growth: Slope | None) -> Json | None:
    if growth is None:
        return None
    return {
        "bytes_per_turn": round(growth.per_turn),
        "ci95": [round(growth.low), round(growth.high)],
        "turns": growth.turns,
    }


def _twin(twin: Twin | None) -> Json | None:
    if twin is None:
        return None
    return {
        "died": twin.died,
        "what": twin.what,
        "answered": twin.answered,
        "peak_bytes": twin.peak,
        "settings": twin.settings,
    }
