"""A device's account as a stacked bar: where each segment lies, and the SVG of it.

Positions are percentages of the width, so that a bar fills any screen while its text keeps its size.
"""

from collections.abc import Mapping

from msgspec import Struct

from aidx.budget.ledger import OUTSIDE, Account, Entry, What
from aidx.budget.sizes import gib
from aidx.page.figures import percent
from aidx.page.groups import LABELS
from aidx.page.markup import Markup, join, tag

_TALL = "46"  # pixels of the bar
_TOP = 22  # pixels above the bar, for the name of the limit
_WIDE = 10.0  # per cent of the width from which a segment has room for its name
_MIDDLE = 50.0


class Segment(Struct, frozen=True):
    """Bytes of one entry, from *start* over *width* per cent of the bar."""

    entry: Entry
    start: float
    width: float


class Picture(Struct, frozen=True):
    """The geometry of one bar: what is used, from the left, and where the device ends (*limit*, per cent)."""

    segments: tuple[Segment, ...]
    used: float
    limit: float


def extent(account: Account) -> int:
    """Bytes that a whole bar of *account* stands for: the device, or what is planned where that is more."""
    return max(account.total, account.total - account.headroom)


def picture(account: Account, scale: int = 0) -> Picture:
    """Lay *account* out; the whole bar stands for *scale* bytes, or for the extent where that is more."""
    stacked = order(account)
    scale = max(extent(account), scale, 1)
    segments: list[Segment] = []
    upto = 0
    for entry in stacked:
        segments.append(Segment(entry, 100 * upto / scale, 100 * entry.bytes / scale))
        upto += entry.bytes
    return Picture(tuple(segments), 100 * upto / scale, 100 * account.total / scale)


def order(account: Account) -> list[Entry]:
    """The entries that take bytes, in the order in which they are stacked: what others use comes first."""
    return sorted((entry for entry in account.entries if entry.bytes), key=lambda entry: entry.what not in OUTSIDE)


def draw(account: Account, key: str, labels: Mapping[What, str] = LABELS, scale: int = 0) -> Markup:
    """The bar of *account* as an SVG element with a text for screen readers and a limit line.

    *key* is a word that no other bar of the page has, *labels* name the kinds of entry; bars
    of one *scale* can be compared.
    """
    drawn = picture(account, scale)
    name = f"bar-{key}"
    return tag(
        "svg",
        tag("title", f"Memory of {account.name}", id=f"{name}-title"),
        tag("desc", _told(account, labels), id=f"{name}-desc"),
        _hatch(key),
        _free(account, drawn),
        join(_drawn(account, segment, labels) for segment in drawn.segments),
        _over(account, drawn, key),
        _limit(account, drawn),
        class_="bar",
        width="100%",
        height="92",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def told(account: Account, entry: Entry, label: str) -> str:
    """One segment in words, for its tooltip."""
    role = f" of {entry.role}" if entry.role else ""
    share = percent(entry.bytes, account.total)
    return f"{label}{role}: {gib(entry.bytes)} ({share}, {entry.grade})"


def _told(account: Account, labels: Mapping[What, str]) -> str:
    entries = "; ".join(told(account, entry, labels[entry.what]) for entry in order(account))
    left = account.headroom
    state = f"{gib(left)} free" if left >= 0 else f"{gib(-left)} over the limit"
    return f"{gib(account.planned)} planned of {gib(account.usable)} usable, {state}. {entries}."


def _drawn(account: Account, segment: Segment, labels: Mapping[What, str]) -> Markup:
    """A segment with its tooltip; its name is written where there is room, and cut at its border."""
    name = labels[segment.entry.what]
    label = ""
    if segment.width >= _WIDE:
        label = tag(
            "svg",
            tag("text", name, x="8", y=str(_TOP + 20), class_="name"),
            tag("text", gib(segment.entry.bytes), x="8", y=str(_TOP + 37), class_="size"),
            x=_per_cent(segment.start),
            width=_per_cent(segment.width),
            height="92",
        )
    return tag(
        "g",
        tag("title", told(account, segment.entry, name)),
        _box(segment.start, segment.width, f"fill {segment.entry.what}"),
        label,
        class_="segment",
        data_what=segment.entry.what,
        data_bytes=str(segment.entry.bytes),
    )


def _free(account: Account, drawn: Picture) -> Markup:
    """What is left of the device, as an empty frame."""
    if account.headroom <= 0:
        return Markup()
    return tag(
        "g",
        tag("title", f"Headroom: {gib(account.headroom)} ({percent(account.headroom, account.total)})"),
        _box(drawn.used, drawn.limit - drawn.used, "fill headroom"),
        class_="segment",
        data_what="headroom",
        data_bytes=str(account.headroom),
    )


def _over(account: Account, drawn: Picture, key: str) -> Markup:
    """A hatch over what does not fit."""
    if account.headroom >= 0:
        return Markup()
    return tag(
        "g",
        tag("title", f"Over the limit: {gib(-account.headroom)}"),
        _box(drawn.limit, drawn.used - drawn.limit, "over", fill=f"url(#hatch-{key})"),
        class_="segment",
        data_what="over",
        data_bytes=str(-account.headroom),
    )


def _limit(account: Account, drawn: Picture) -> Markup:
    """The line at which the device ends, and its size."""
    at = _per_cent(drawn.limit)
    anchor, shift = ("end", "-6") if drawn.limit > _MIDDLE else ("start", "6")
    balance = (
        tag("text", f"{gib(account.headroom)} free", x=at, dx=shift, y="86", text_anchor=anchor)
        if account.headroom >= 0
        else tag(
            "text",
            f"{gib(-account.headroom)} over",
            x=_per_cent(drawn.used),
            y="86",
            text_anchor="end",
            class_="excess",
        )
    )
    return join(
        (
            tag("line", x1=at, x2=at, y1="2", y2="76", class_="limit"),
            tag("text", f"{gib(account.total)} limit", x=at, dx=shift, y="14", text_anchor=anchor),
            tag("text", "0", x="0", y="86"),
            balance,
        )
    )


def _hatch(key: str) -> Markup:
    return tag(
        "defs",
        tag(
            "pattern",
            tag("path", d="M0 8 L8 0", class_="stripe"),
            id=f"hatch-{key}",
            width="8",
            height="8",
            patternUnits="userSpaceOnUse",
        ),
    )


def _box(start: float, width: float, class_: str, *, fill: str | None = None) -> Markup:
    return tag(
        "rect",
        x=_per_cent(start),
        width=_per_cent(width),
        y=str(_TOP),
        height=_TALL,
        class_=class_,
        fill=fill,
    )


def _per_cent(value: float) -> str:
    return f"{value:.4f}%"
