"""What a machine has and what an engine sees of it: lines for a person, and the object ``aidx.devices/1``."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from aidx.budget.sizes import gib
from aidx.plan.cards import Card
from aidx.plan.devices import Device, Machine

GB = 10**9


class Seen(Struct, frozen=True):
    """A device as an engine lists it; *kind* is ``cpu``, ``gpu``, ``igpu`` or ``accel``."""

    name: str
    kind: str
    description: str


class Sight(Struct, frozen=True):
    """What *engine* can use; *reason* says why it could not be asked, *fix* what to do where it sees no GPU."""

    engine: str
    build: str
    devices: tuple[Seen, ...] = ()
    reason: str = ""
    fix: str = ""

    @property
    def gpus(self) -> tuple[Seen, ...]:
        """Devices other than the CPU."""
        return tuple(device for device in self.devices if device.kind in {"gpu", "igpu"})


def lines(machine: Machine, sights: Sequence[Sight]) -> Iterator[str]:
    """One line a device and one an engine, notes first."""
    yield from (f"note: {note}" for note in machine.notes)
    for device in machine.devices:
        yield _line(device)
        if device.total_why and device.unified:
            yield f"      {device.total_why}"
    yield ""
    for sight in sights:
        yield from _sighted(machine, sight)


def card_lines(cards: Sequence[Card]) -> Iterator[str]:
    """The card table, one line a card."""
    for card in cards:
        size = f"{card.memory / (1 << 20):,.0f} MiB"
        memory = f"{size} of {gib(card.ram)}" if card.unified else f"{size}{'' if card.measured else ' (nominal)'}"
        driver = "" if card.driver is None else f", driver {gib(card.driver)}"
        yield f"{card.name:<25} {memory:<24} {card.bandwidth // GB:>5,} GB/s{driver}"


def as_json(machine: Machine, sights: Sequence[Sight]) -> dict[str, object]:
    """The object that ``aidx devices --json`` prints."""
    return {
        "schema": "aidx.devices/1",
        "devices": [_device(device) for device in machine.devices],
        "engines": [_engine(machine, sight) for sight in sights],
        "notes": list(machine.notes),
    }


def cards_json(cards: Sequence[Card]) -> dict[str, object]:
    """The object that ``aidx devices --cards --json`` prints."""
    return {"schema": "aidx.cards/1", "cards": [_card(card) for card in cards]}


def _line(device: Device) -> str:
    usable = device.total - device.used - device.reserve
    name = f"{device.name:<5} {device.label or ('RAM' if device.kind == 'host' else 'GPU')}"
    what = "driver" if device.kind == "gpu" else "engine process"
    speed = "" if device.bandwidth is None else f", {device.bandwidth // GB:,} GB/s"
    return (
        f"{name}: {gib(device.total)}, others use {gib(device.used)}, usable {gib(usable)}; "
        f"{what} {gib(device.overhead)} ({device.overhead_grade}){speed}"
    )


def _sighted(machine: Machine, sight: Sight) -> Iterator[str]:
    head = f"engine {sight.engine}{f' ({sight.build})' if sight.build else ''}"
    if sight.reason:
        yield f"{head}: could not be asked: {sight.reason}"
    elif sight.gpus:
        yield f"{head}: {', '.join(f'{gpu.name} ({gpu.description})' for gpu in sight.gpus)} and the CPU"
    else:
        yield f"{head}: the CPU only"
    if blind(machine, sight):
        yield f"  {sight.fix}"


def blind(machine: Machine, sight: Sight) -> bool:
    """Whether the machine has GPUs and the engine sees none."""
    return bool(machine.gpus) and not sight.gpus and not sight.reason


def _device(device: Device) -> dict[str, object]:
    return {
        "name": device.name,
        "kind": device.kind,
        "label": device.label,
        "total_bytes": device.total,
        "total_why": device.total_why,
        "used_bytes": device.used,
        "usable_bytes": device.total - device.used - device.reserve,
        "overhead_bytes": device.overhead,
        "overhead_grade": device.overhead_grade,
        "overhead_why": device.overhead_why,
        "unified_bytes": device.unified,
        "bandwidth_bytes_per_second": device.bandwidth,
        "bandwidth_why": device.bandwidth_why,
    }


def _engine(machine: Machine, sight: Sight) -> dict[str, object]:
    return {
        "name": sight.engine,
        "build": sight.build,
        "sees": [{"name": d.name, "kind": d.kind, "description": d.description} for d in sight.devices],
        "detail": sight.reason,
        "fix": sight.fix if blind(machine, sight) else "",
    }


def _card(card: Card) -> dict[str, object]:
    return {
        "name": card.name,
        "vendor": card.vendor,
        "chip": card.chip,
        "total_bytes": card.memory,
        "total_measured": card.measured,
        "total_source": card.memory_source,
        "unified_bytes": card.unified,
        "ram_bytes": card.ram or None,
        "bandwidth_bytes_per_second": card.bandwidth,
        "bandwidth_source": card.bandwidth_source,
        "overhead_bytes": card.driver,
        "overhead_source": card.driver_source,
    }
