"""AMD GPUs through sysfs: no library, no context."""

from pathlib import Path

from aidx.plan.devices import ASSUMED_DRIVER, Device

NAME = "amd"
_CARDS = Path("/sys/class/drm")


def gpus(cards: Path = _CARDS) -> tuple[Device, ...]:
    """The amdgpu cards that report their memory."""
    found: list[Device] = []
    for card in sorted(cards.glob("card[0-9]*/device")):
        try:
            total = int((card / "mem_info_vram_total").read_text("ascii"))
            used = int((card / "mem_info_vram_used").read_text("ascii"))
        except (OSError, ValueError):
            continue
        found.append(
            Device(
                f"gpu{len(found)}",
                "gpu",
                total,
                used=used,
                used_why="in use now, read from sysfs",
                overhead=ASSUMED_DRIVER,
                overhead_why="driver context, aidx's default; --driver SIZE changes it",
                label=f"AMD {card.parent.name}",
            )
        )
    return tuple(found)
