"""Which loaded models make room for another: decided from the ledger's bytes, never by trying."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from msgspec import Struct

Bytes = Mapping[str, int]
"""Planned bytes by device."""


class Turn(NamedTuple):
    """What a process *takes* when it is loaded, and the *room* that it shares: usable bytes of each device."""

    takes: Bytes
    room: Bytes


class Resident(Struct, frozen=True):
    """A process that is loaded: what it *takes*, and when it was *used* last (any clock)."""

    name: str
    takes: Bytes
    used: float


def fits(room: Bytes, *loaded: Bytes) -> bool:
    """Whether all that is *loaded* holds together in *room*, on every device."""
    return all(sum(one.get(device, 0) for one in loaded) <= size for device, size in room.items())


def leaving(wanted: Bytes, residents: Sequence[Resident], room: Bytes) -> tuple[str, ...]:
    """The names of those that must go so that *wanted* holds beside the rest: the longest unused first, and no more.

    Empty where it holds as it is. Raises ``ValueError`` for what does not hold alone: a plan says so before.
    """
    if not fits(room, wanted):
        raise ValueError("it does not hold alone")
    staying = sorted(residents, key=lambda one: one.used)
    going: list[Resident] = []
    while not fits(room, wanted, *_taken(staying)):
        going.append(staying.pop(0))
    for one in reversed(going.copy()):  # one that went in vain, because a larger one had to go after it, stays
        if fits(room, wanted, one.takes, *_taken(staying)):
            going.remove(one)
            staying.append(one)
    return tuple(one.name for one in going)


def together(wanted: Iterable[tuple[str, Bytes]], room: Bytes) -> tuple[str, ...]:
    """Of those *wanted*, the most important first, the names of those that are loaded at the start."""
    chosen: dict[str, Bytes] = {}
    for name, takes in wanted:
        if fits(room, takes, *chosen.values()):
            chosen[name] = takes
    return tuple(chosen)


def only(plan: Mapping[str, Any], roles: AbstractSet[str]) -> Mapping[str, Any]:
    """The JSON object of a *plan* with the entries of *roles* alone, and the sums that follow."""
    devices = []
    for device in plan["devices"]:
        entries = [entry for entry in device["entries"] if entry["role"] is None or entry["role"] in roles]
        gone = sum(entry["bytes"] for entry in device["entries"]) - sum(entry["bytes"] for entry in entries)
        planned, headroom = device["planned_bytes"] - gone, device["headroom_bytes"] + gone
        devices.append({**device, "planned_bytes": planned, "headroom_bytes": headroom, "entries": entries})
    return {**plan, "devices": devices}


def _taken(residents: Iterable[Resident]) -> Iterable[Bytes]:
    return (one.takes for one in residents)
