"""A proof as one HTML page: the verdict, memory over time under its ceiling, planned against measured."""

from aidx.budget.proof import Evidence, Moment, Proof, beside
from aidx.budget.sizes import amount
from aidx.page.figures import grouped
from aidx.page.groups import LABELS
from aidx.page.markup import Markup, join, tag
from aidx.page.parts import document, foot, table, terms

VERDICTS = {"HOLDS": "It holds.", "DOES_NOT_HOLD": "It does not hold.", "NOT_PROVEN": "It is not proven."}
_WIDE, _HIGH = 960.0, 240.0
_MOST_EVENTS = 8


def render(proof: Proof, name: str) -> str:
    """The page of *proof*, complete in itself."""
    seen = proof.evidence
    return document(
        f"{name}: {VERDICTS[proof.verdict]}",
        tag("h1", f"{name} at its peak"),
        tag("p", "What was planned, beside what was measured while nothing was left to give.", class_="soft"),
        _banner(proof),
        tag("h2", "Memory over time"),
        curve(seen),
        tag("h2", "Planned and measured"),
        _entries(seen),
        tag("h2", "The load"),
        _load(seen),
        foot(f"Plan {proof.plan_hash}", *([f"Engine {seen.build}"] if seen.build else [])),
    )


def _banner(proof: Proof) -> Markup:
    twin = proof.twin
    more = (
        ()
        if twin is None
        else (tag("p", f"Unplanned, under the same ceiling: it {'dies' if twin.died else 'lives'}: {twin.what}."),)
    )
    return tag(
        "div",
        tag("p", tag("strong", VERDICTS[proof.verdict])),
        tag("p", proof.reason),
        *more,
        class_="verdict" if proof.verdict == "HOLDS" else "verdict over",
        data_verdict=proof.verdict,
    )


def curve(seen: Evidence) -> Markup:
    """The engine's memory as a line, the plan and the ceiling as limits, events as a list below."""
    moments = seen.timeline
    end = moments[-1].seconds if moments else 0.0
    top = max((seen.planned_peak, seen.ceiling, *(moment.bytes for moment in moments)), default=0) * 1.08
    if end <= 0 or top <= 0:
        return tag("p", "Nothing was sampled.")
    points = " L".join(
        f"{_WIDE * moment.seconds / end:.1f} {_HIGH * (1 - moment.bytes / top):.1f}" for moment in moments
    )
    told = f"Memory of the engine over {end:.1f} seconds: at most {amount(seen.measured_peak)}."
    drawing = tag(
        "svg",
        tag("title", told),
        tag("path", d=f"M{points}", class_="curve", fill="none", stroke="currentColor", stroke_width="2"),
        _limit(seen.planned_peak, top, "planned"),
        _limit(seen.ceiling, top, "ceiling") if seen.ceiling != seen.planned_peak else "",
        viewBox=f"0 0 {_WIDE:.0f} {_HIGH:.0f}",
        width="100%",
        role="img",
        class_="timeline",
    )
    return tag("figure", drawing, _events(moments))


def _limit(size: int, top: float, name: str) -> Markup:
    at = f"{_HIGH * (1 - size / top):.1f}"
    return join(
        (
            tag("line", x1="0", x2=f"{_WIDE:.0f}", y1=at, y2=at, stroke="currentColor", stroke_dasharray="6 4"),
            tag("text", f"{name} {amount(size)}", x="4", y=at, dy="-4", fill="currentColor", font_size="12"),
        )
    )


def _events(moments: tuple[Moment, ...]) -> Markup:
    marked = [moment for moment in moments if moment.event]
    step = max(1, len(marked) // _MOST_EVENTS)
    shown = [moment for number, moment in enumerate(marked) if number % step == 0 or moment is marked[-1]]
    rows = [(f"{moment.seconds:.2f}", moment.event, amount(moment.bytes)) for moment in shown]
    return table(("Seconds", "Event", "Memory"), rows, caption="What happened when", numbers=(0, 2))


def _entries(seen: Evidence) -> Markup:
    rows = [
        (
            row.device,
            LABELS[row.what],
            grouped(row.planned),
            grouped(row.measured),
            "as planned" if row.equal else f"{row.share:+.1%}",
        )
        for row in beside(seen)
    ]
    peaks = [
        (
            peak.device,
            "All, at the peak",
            grouped(peak.planned),
            "not seen" if peak.measured is None else grouped(peak.measured),
            "" if peak.measured is None else f"{(peak.measured - peak.planned) / max(peak.planned, 1):+.1%}",
        )
        for peak in seen.peaks
    ]
    head = ("Device", "What", "Planned", "Measured", "Difference")
    return table(head, (*rows, *peaks), caption="Bytes planned and measured", numbers=(2, 3, 4))


def _load(seen: Evidence) -> Markup:
    found, growth = seen.requests, seen.growth
    over = "not tried" if seen.over_refused is None else "refused" if seen.over_refused else "not refused"
    pairs = [
        ("KV pool", f"{seen.occupancy:.1%} full"),
        (
            "Requests",
            f"{found.answered} answered ({found.queued} waited), {found.refused} refused, {found.lost} lost",
        ),
        ("One token over the limit", over),
        ("Ceiling", f"{amount(seen.ceiling)} ({seen.kind})" if seen.kind != "none" else f"none: {seen.no_ceiling}"),
    ]
    if growth is not None:
        sure = f"{growth.low:+,.0f} to {growth.high:+,.0f}"
        pairs.append(("Growth", f"{growth.per_turn:+,.0f} B a turn over {growth.turns} turns (95 %: {sure})"))
    return terms(pairs)
