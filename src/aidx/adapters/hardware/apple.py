"""Apple silicon through ``sysctl``: one memory, of which the GPU may wire a part.

Metal's ``recommendedMaxWorkingSetSize`` is not in ``sysctl``; what was seen of it is in ``plan.unified``: 2/3 of up to
32 GiB, 3/4 from 36 GiB on, more on newer systems.
``iogpu.wired_limit_mb``, where somebody has set it, is the limit itself.
"""

import subprocess
import sys
from collections.abc import Callable

from aidx.plan.devices import ASSUMED_DRIVER, MIB, Device, Found
from aidx.plan.unified import LARGE, LARGE_PART, PART, working_set

NAME = "apple"
_KEYS = ("hw.memsize", "machdep.cpu.brand_string", "iogpu.wired_limit_mb")


def find() -> Found:
    """The GPU of an Apple chip; nothing on another system."""
    return read(_sysctl) if sys.platform == "darwin" else Found()


def read(sysctl: Callable[[tuple[str, ...]], str]) -> Found:
    """The GPU behind what *sysctl* prints for some keys, one ``key: value`` a line; unknown keys are left out."""
    lines = (line.partition(":") for line in sysctl(_KEYS).splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}
    chip = values.get("machdep.cpu.brand_string", "")
    if not chip.startswith("Apple"):
        return Found()
    try:
        memory, wired = int(values["hw.memsize"]), int(values.get("iogpu.wired_limit_mb", "0"))
    except (KeyError, ValueError):
        return Found(notes=(f"the memory of {chip} cannot be read from sysctl: give --vram to plan for its GPU",))
    notes = () if wired else (f"{chip}: how much the GPU may wire is assumed; sysctl iogpu.wired_limit_mb sets it",)
    part = LARGE_PART if memory >= LARGE else PART
    limit = wired * MIB if wired else working_set(memory)
    why = "iogpu.wired_limit_mb" if wired else f"{part} of RAM, assumed; sysctl iogpu.wired_limit_mb sets another limit"
    return Found(
        (
            Device(
                "gpu0",
                "gpu",
                limit,
                total_why=f"what the GPU may wire: {why}",
                overhead=ASSUMED_DRIVER,
                overhead_why="Metal's own memory, as Ollama reserves it; --driver SIZE changes it",
                label=chip,
                unified=limit,
            ),
        ),
        notes,
    )


def _sysctl(keys: tuple[str, ...]) -> str:
    # -i: keys that this system does not know are passed over.
    argv = ["/usr/sbin/sysctl", "-i", *keys]
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
