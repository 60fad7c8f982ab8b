"""What processes hold on AMD GPUs, as the kernel tells it of each open card: ``/proc/PID/fdinfo``.

The format is the kernel's ``Documentation/gpu/drm-usage-stats.rst``: one client of a card may be open several times,
under the same ``drm-client-id``. Written after recorded texts; no AMD card has been seen.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aidx.adapters.sampling.nvidia import NoUse

_CARDS = Path("/sys/class/drm")
_PROC = Path("/proc")
_LINE = re.compile(r"^drm-(pdev|client-id|resident-vram|memory-vram):\s*(\S+)(?:\s+(\S+))?\s*$", re.MULTILINE)
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}
_HELD = ("resident-vram", "memory-vram")  # the second is the older name of the first


class Client(NamedTuple):
    """One client of the card at *pdev*, and the bytes of its memory that it holds; ``None`` where that is not told."""

    pdev: str
    ident: str
    held: int | None


def parse(text: str) -> Client | None:
    """What one file of ``fdinfo`` says; ``None`` for one that is no card's."""
    said = {name: (value, unit or "") for name, value, unit in _LINE.findall(text)}
    if "pdev" not in said or "client-id" not in said:
        return None
    value, unit = next((said[name] for name in _HELD if name in said), ("", ""))
    held = int(value) * _UNITS[unit] if value.isdecimal() and unit in _UNITS else None
    return Client(said["pdev"][0], said["client-id"][0], held)


def use(cards: Path = _CARDS) -> "DrmUse | NoUse":
    """What processes hold on the AMD cards of this machine, numbered as ``adapters.hardware.amd`` numbers them."""
    with_memory = [card for card in sorted(cards.glob("card[0-9]*/device")) if (card / "mem_info_vram_total").exists()]
    if not with_memory:
        return NoUse()
    return DrmUse({card.resolve().name: f"gpu{number}" for number, card in enumerate(with_memory)})


class DrmUse:
    """Looks at the open files of processes; *cards* are their PCI addresses and names.

    A card of which a process of ours is told no figure is left out: nobody may take that for 0 bytes.
    """

    def __init__(self, cards: Mapping[str, str], proc: Path = _PROC) -> None:
        self._cards = cards
        self._proc = proc

    def __call__(self, pids: frozenset[int]) -> Mapping[str, int]:
        """Bytes that *pids* hold, by GPU; nothing where their files cannot be looked at."""
        clients: dict[tuple[str, str], Client] = {}
        try:
            for pid in pids:
                clients |= {(client.pdev, client.ident): client for client in self._of(pid)}
        except PermissionError:
            return {}
        found: dict[str, int] = dict.fromkeys(self._cards.values(), 0)
        for client in clients.values():
            name = self._cards.get(client.pdev)
            if name is None or name not in found:
                continue
            if client.held is None:
                del found[name]
            else:
                found[name] += client.held
        return found

    def _of(self, pid: int) -> Iterator[Client]:
        try:
            files = list((self._proc / str(pid) / "fdinfo").iterdir())
        except FileNotFoundError:  # it has ended
            return
        for file in files:
            try:
                client = parse(file.read_text("ascii", "replace"))
            except FileNotFoundError:  # it was closed
                continue
            if client is not None:
                yield client
