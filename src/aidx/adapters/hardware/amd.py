"""AMD GPUs through sysfs: no library, no context.

An APU has no memory of its own: a part of the RAM is carved out for it by the firmware (``mem_info_vram_total``),
and it may take more of what is left (``mem_info_gtt_total``). Vulkan offers both, ROCm the first alone
(llama.cpp #19818). Which card is an APU: the kernel offers ``mem_busy_percent`` for the others only, with Vega 10
left out (``amdgpu_pm.c``).
"""

from pathlib import Path

from aidx.plan.devices import ASSUMED_DRIVER, Device, Found

NAME = "amd"
_CARDS = Path("/sys/class/drm")
_VEGA10 = range(0x6860, 0x6880)


def find(cards: Path = _CARDS) -> Found:
    """The amdgpu cards that report their memory."""
    gpus: list[Device] = []
    notes: list[str] = []
    for card in sorted(cards.glob("card[0-9]*/device")):
        if not (card / "mem_info_vram_total").exists():
            continue
        try:
            gpus.append(_device(card, len(gpus)))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            notes.append(f"AMD {card.parent.name} cannot be read ({reason}): give --gpu or --vram to plan for it")
    return Found(tuple(gpus), tuple(notes))


def _device(card: Path, number: int) -> Device:
    total, used = _number(card / "mem_info_vram_total"), _number(card / "mem_info_vram_used")
    unified, why = 0, "read from sysfs"
    if _shares_memory(card):
        unified = _number(card / "mem_info_gtt_total")
        used += _number(card / "mem_info_gtt_used")
        why = f"carved out {total:,} B and up to {unified:,} B of RAM (GTT); Vulkan uses both, ROCm the first alone"
    return Device(
        f"gpu{number}",
        "gpu",
        total + unified,
        total_why=why,
        used=used,
        used_why="in use now, read from sysfs",
        overhead=ASSUMED_DRIVER,
        overhead_why="driver context, aidx's default; --driver SIZE changes it",
        label=f"AMD {card.parent.name}",
        unified=unified,
    )


def _shares_memory(card: Path) -> bool:
    if (card / "mem_busy_percent").exists() or not (card / "mem_info_gtt_total").exists():
        return False
    return _number(card / "device", 16) not in _VEGA10


def _number(path: Path, base: int = 10) -> int:
    return int(path.read_text("ascii").strip(), base)
