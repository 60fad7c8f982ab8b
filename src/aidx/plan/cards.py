"""Graphics cards that a plan may be made for without having them, from the table that ships with the package."""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.plan.devices import ASSUMED_DRIVER, Device

_MAKERS = re.compile(r"\b(?:nvidia|geforce|tesla|amd|radeon|intel|apple)\b|\(tm\)|\(r\)")
_FAMILIES = ("rtx", "rx", "arc", "ryzen")  # may be left out
_MOBILE = re.compile(r"laptop|mobile|max-q")
_CLOSE = 0.06  # a card's driver reports up to 6 % less than its nominal size


class Card(Struct, frozen=True):
    """*memory* bytes as the driver reports them (*measured*) or as sold; *bandwidth* in bytes a second.

    *driver* is what a process' context takes of it, ``None`` where nobody published it. Each figure has its source.
    Of a chip that shares its machine's RAM, *unified* bytes of *memory* are of those *ram*, by a *rule*; *also* are
    other names.
    """

    name: str
    vendor: str
    chip: str
    memory: int
    memory_source: str
    measured: bool
    bandwidth: int
    bandwidth_source: str
    driver: int | None = None
    driver_source: str | None = None
    unified: int = 0
    ram: int = 0
    rule: str = ""
    also: tuple[str, ...] = ()


class Chip(Struct, frozen=True):
    """A chip that shares the RAM: *bandwidth* in bytes a second and its *source*; *sizes* it is sold with, in GiB.

    *limit* names the rule by which its GPU takes memory, *also* are other names of it.
    """

    name: str
    vendor: str
    bandwidth: int
    source: str
    sizes: tuple[int, ...]
    limit: str
    also: tuple[str, ...] = ()


def find(cards: Sequence[Card], wanted: str) -> Card:
    """The card that *wanted* names: ``rtx-3060-12gb``, ``RTX 3060 12GB``, or ``rtx-4090``, of which there is one.

    Raises:
        InputError: For a name that several cards have (it lists them) and for one that none has (the nearest).
    """
    asked = _compact(wanted)
    named = [card for card in cards if asked in _names(card)]
    if not named:
        named = [card for card in cards if asked in _chips(card)]
    if len(named) == 1:
        return named[0]
    if named:
        raise InputError(
            f"--gpu {wanted[:40]} may be {_either(named)}", hint=f"Name one, for example --gpu {named[0].name}."
        )
    raise InputError(
        f"unknown GPU {wanted[:40]!r}{_near(cards, wanted)}",
        hint="aidx devices --cards lists the known ones; or give --vram with its size.",
    )


def match(cards: Sequence[Card], label: str, total: int) -> Card | None:
    """The card that calls itself *label* and reports *total* bytes; ``None`` for laptops' and unknown ones."""
    if _MOBILE.search(label.lower()):
        return None
    asked = re.sub(r"\d+gb.*$", "", _compact(label)) or _compact(label)
    alike = [
        card
        for card in cards
        if not card.unified and asked in _chips(card) and abs(card.memory - total) <= _CLOSE * card.memory
    ]
    return alike[0] if len(alike) == 1 else None


def known(cards: Sequence[Card], chips: Sequence[Chip], gpu: Device) -> Device:
    """*gpu*, which is here, with its bandwidth and its driver's memory, where the tables have them."""
    chip = next((chip for chip in chips if chip.name == gpu.label), None)
    if chip is not None:
        return replace(gpu, bandwidth=chip.bandwidth, bandwidth_why=chip.source)
    card = match(cards, gpu.label, gpu.total)
    if card is None:
        return gpu
    gpu = replace(gpu, bandwidth=card.bandwidth, bandwidth_why=card.bandwidth_source)
    if card.driver is None:
        return gpu
    return replace(gpu, overhead=card.driver, overhead_why=f"driver context, {card.driver_source}")


def device(card: Card, number: int, *, driver: int | None = None) -> Device:
    """*card* as the GPU called ``gpu<number>`` of a machine that one does not have; *driver* replaces the table's."""
    if driver is not None:
        overhead, why = driver, "driver context, as given by --driver"
    elif card.driver is not None:
        overhead, why = card.driver, f"driver context, {card.driver_source}; --driver SIZE changes it"
    else:
        overhead, why = ASSUMED_DRIVER, "driver context, aidx's default; --driver SIZE changes it"
    return Device(
        f"gpu{number}",
        "gpu",
        card.memory,
        total_why=card.memory_source,
        overhead=overhead,
        overhead_why=why,
        label=f"{card.vendor} {card.chip}",
        unified=card.unified,
        bandwidth=card.bandwidth,
        bandwidth_why=card.bandwidth_source,
    )


def _compact(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _MAKERS.sub("", name.lower()))


def _names(card: Card) -> set[str]:
    """What the card is called with its size."""
    size = card.name.rpartition("-")[2]
    return {f"{chip}{size}" for chip in _chips(card)} | {f"{chip}{size.removesuffix('b')}" for chip in _chips(card)}


def _chips(card: Card) -> set[str]:
    names = [_compact(name) for name in (card.chip, *card.also)]
    return {name.removeprefix(family) for name in names for family in ("", *_FAMILIES)}


def _either(cards: Sequence[Card]) -> str:
    *most, last = (card.name for card in cards)
    return f"{', '.join(most)} or {last}"


def _near(cards: Sequence[Card], wanted: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

    by_name = {_compact(card.name): card.name for card in cards}
    close = [by_name[key] for key in get_close_matches(_compact(wanted)[:40], by_name, n=3, cutoff=0.5)]
    return f" (close: {', '.join(close)})" if close else ""
