"""A proof: what was planned beside what was measured while the plan was at its limit, and the verdict."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct, field

from aidx.budget.compare import Difference
from aidx.budget.ledger import OUTSIDE, Account, Entry, Ledger, What
from aidx.budget.sizes import amount

Verdict = Literal["HOLDS", "DOES_NOT_HOLD", "NOT_PROVEN"]
CeilingKind = Literal["cgroup1", "cgroup2", "systemd", "job", "none"]
FULL = 0.99  # of the KV pool: below that the peak was not reached
AHEAD = 4  # times the turns that were measured: so far a growth is carried on, no more can be said of so few


class Requests(Struct, frozen=True):
    """How requests ended: each is *answered*, *refused* or *lost*; *queued* ones waited and were answered then."""

    answered: int = 0
    queued: int = 0
    refused: int = 0
    lost: int = 0


class Slope(Struct, frozen=True):
    """Bytes that memory grew by a turn, over *turns* turns, and the interval that holds it with 95 %."""

    per_turn: float
    low: float
    high: float
    turns: int


class Moment(Struct, frozen=True):
    """*bytes* of the engine's processes, so many *seconds* after the start; *event* says what happened, if anything."""

    seconds: float
    bytes: int
    event: str = ""


class Peak(Struct, frozen=True):
    """The most that one device held for the engine; ``None`` where nobody could see it."""

    device: str
    planned: int
    measured: int | None


class Seen(Struct, frozen=True):
    """A process that was looked at: the most RAM that it held. One that is *aside* is in no ledger."""

    pid: int
    name: str
    peak: int
    aside: bool = False


class Evidence(Struct, frozen=True):
    """What a run under load showed.

    *ended* says how the engine went, where it did before its time; *kills* are those of the ceiling, *left* the
    processes that outlived the engine. *held* says whether the system confirmed the ceiling of the process itself,
    *no_ceiling* why there was none. *over_refused* is what the gate did with one token too many, *cut* what the
    engine did with a prompt longer than its context: anything but refusing it is to cut it. *problem* is a load that
    could not be made, *unfit* an expected input that no slot has room for.
    """

    ledger: Ledger
    rows: tuple[Difference, ...] = ()
    allocated: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    peaks: tuple[Peak, ...] = ()
    ceiling: int = 0
    kind: CeilingKind = "none"
    held: bool = False
    no_ceiling: str = ""
    occupancy: float = 0.0
    requests: Requests = Requests()
    over_refused: bool | None = None
    cut: bool = False
    growth: Slope | None = None
    ended: str = ""
    kills: int = 0
    left: int = 0
    problem: str = ""
    unfit: str = ""
    lost_because: str = ""
    build: str = ""
    tokens_per_second: float = 0.0
    timeline: tuple[Moment, ...] = ()
    notes: tuple[str, ...] = ()
    processes: tuple[Seen, ...] = ()

    @property
    def host(self) -> Account:
        """The account that the ceiling is made of."""
        return next(account for account in self.ledger.accounts if account.kind == "host")

    @property
    def planned_peak(self) -> int:
        """Bytes of RAM that were planned."""
        return self.host.planned

    @property
    def measured_peak(self) -> int:
        """Bytes of RAM that were held at most; 0 where nobody could see."""
        return next((peak.measured or 0 for peak in self.peaks if peak.device == self.host.name), 0)


class Twin(Struct, frozen=True):
    """The same model as an engine starts it by itself, under the same ceiling."""

    died: bool
    what: str
    answered: int
    peak: int
    settings: str


class Proof(Struct, frozen=True):
    """A verdict with its reason and all that it rests on."""

    verdict: Verdict
    reason: str
    plan_hash: str
    evidence: Evidence
    twin: Twin | None = None


def judge(seen: Evidence) -> tuple[Verdict, str]:
    """The verdict and its reason. What was seen to fail counts first: a failure needs no ceiling to be one."""
    broken = next((why for part in (_died, _let_through, _exceeded) for why in part(seen)), None)
    if broken is not None:
        return "DOES_NOT_HOLD", broken
    missing = next(_missing(seen), None)
    if missing is not None:
        return "NOT_PROVEN", missing
    peak = f"peak {amount(seen.measured_peak)} of {amount(seen.planned_peak)} planned"
    wall = f"under a hard ceiling of {amount(seen.ceiling)}"
    return "HOLDS", f"{peak}, {seen.occupancy:.1%} of the KV pool full, {wall}"


def _died(seen: Evidence) -> Iterator[str]:
    """The plainest failures: it is dead, or did not answer."""
    if seen.kills:
        yield f"the ceiling of {amount(seen.ceiling)} killed it: {seen.ended or 'a process of the engine is gone'}"
    if seen.ended:
        yield f"the engine did not live: {seen.ended}"
    if seen.requests.lost:
        first = f" ({seen.lost_because})" if seen.lost_because else ""
        yield f"{seen.requests.lost} of its requests got no answer{first}"
    if seen.left:
        yield f"{seen.left} process(es) outlived the engine"


def _let_through(seen: Evidence) -> Iterator[str]:
    """What is too long for the context, and what should have been refused."""
    if seen.unfit:
        yield seen.unfit
    if seen.over_refused is False:
        yield "one token more than the context was let through"
    if seen.cut:
        yield "the engine read fewer tokens than it was sent, and said nothing: it cuts prompts"


def _exceeded(seen: Evidence) -> Iterator[str]:
    """Measured bytes that are more than planned ones."""
    for peak in seen.peaks:
        if peak.measured is not None and peak.measured > peak.planned:
            yield f"{peak.device} held {peak.measured:,} B, {peak.measured - peak.planned:,} B more than planned"
    if seen.kind != "none" and seen.measured_peak > seen.ceiling:  # mapped files can be taken back: it lived, on loan
        more = seen.measured_peak - seen.ceiling
        yield f"it held {amount(seen.measured_peak)}, {amount(more)} more than the ceiling of {amount(seen.ceiling)}"
    for row in seen.rows:
        if row.bytes > row.rounding:
            yield f"{row.device} {row.what} took {row.allocated:,} B, {row.bytes:,} B more than planned"
    room = seen.planned_peak - seen.measured_peak
    if seen.growth is not None and seen.growth.low * (turns := AHEAD * seen.growth.turns) > room:
        yield f"memory grows by at least {seen.growth.low:,.0f} B a turn: in {turns} turns it is over the plan"


def _missing(seen: Evidence) -> Iterator[str]:
    """What a proof lacks."""
    if seen.problem:
        yield seen.problem
    for peak in seen.peaks:
        if peak.measured is None:
            yield f"the memory of {peak.device} could not be seen"
    if not seen.peaks:
        yield "the memory of the engine could not be seen"
    if seen.kind == "none":
        yield f"there is no hard ceiling: {seen.no_ceiling}"
    elif not seen.held:
        yield "the system does not confirm the ceiling of the engine's process"
    if seen.occupancy < FULL:
        yield f"only {seen.occupancy:.1%} of the KV pool was filled, and a peak begins at {FULL:.0%}"
    if seen.over_refused is None:
        yield "nothing over the limit was sent"


def measured(seen: Evidence) -> tuple[tuple[str, Entry], ...]:
    """What was measured, by device and entry; what the engine's own account does not name is its process."""
    found: list[tuple[str, Entry]] = []
    for peak in seen.peaks:
        buffers = _summed(seen.allocated.get(peak.device, ()))
        found += [(peak.device, entry) for entry in buffers]
        rest = None if peak.measured is None else peak.measured - sum(entry.bytes for entry in buffers)
        if rest is not None and rest > 0:
            host = peak.device == seen.host.name
            why = "the most that its processes held, less its buffers"
            found.append((peak.device, Entry("engine_process" if host else "driver", rest, why, "measured")))
    return tuple(found)


def _summed(entries: tuple[Entry, ...]) -> list[Entry]:
    """One entry of each kind."""
    kinds = dict.fromkeys(entry.what for entry in entries)
    return [
        Entry(
            what,
            sum(entry.bytes for entry in entries if entry.what == what),
            "; ".join(entry.why for entry in entries if entry.what == what),
            "measured",
        )
        for what in kinds
    ]


class Beside(Struct, frozen=True):
    """One kind of entry on one device, planned and measured; the measured figure is true to *rounding* bytes."""

    device: str
    what: What
    planned: int
    measured: int
    rounding: int = 0

    @property
    def equal(self) -> bool:
        """Whether both are the same, as far as can be told."""
        return abs(self.measured - self.planned) <= self.rounding

    @property
    def share(self) -> float:
        """Measured less planned, as a share of what was planned; 0 where nothing was."""
        return (self.measured - self.planned) / self.planned if self.planned else 0.0


def beside(seen: Evidence) -> tuple[Beside, ...]:
    """Planned against measured, entry by entry; scratch is a part of the engine's compute buffer.

    Nothing where the engine named no buffer of its own: what is not known is not 0.
    """
    if not any(seen.allocated.values()):
        return ()
    found: dict[tuple[str, What], list[int]] = {}
    rounding = {(row.device, row.what): row.rounding for row in seen.rows}
    promised = [(account.name, entry) for account in seen.ledger.accounts for entry in account.entries]
    for place, pairs in enumerate((promised, measured(seen))):
        for device, entry in pairs:
            if entry.what not in OUTSIDE:
                what: What = "compute" if entry.what == "scratch" else entry.what
                found.setdefault((device, what), [0, 0])[place] += entry.bytes
    return tuple(
        Beside(device, what, planned, taken, rounding.get((device, what), 0))
        for (device, what), (planned, taken) in found.items()
        if planned or taken
    )
