"""Chips whose GPU works in the host's RAM: how much of it the GPU may take, by whose rule."""

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType

from msgspec import Struct

from aidx.plan.cards import Card, Chip
from aidx.plan.devices import ASSUMED_DRIVER, MIB

GIB = 1 << 30
LARGE = 36 * GIB
PART, LARGE_PART = Fraction(2, 3), Fraction(3, 4)
CARVED = 512 * MIB  # the least that firmware sets aside for an APU, and what is left to the driver is the more
LEAST_GTT = 3 * GIB
GB10_TOTAL = 124_611 * MIB

METAL = (
    "recommendedMaxWorkingSetSize in public logs: 10,922.67 MiB of 16 GB (ise-uiuc/magicoder #19), 21,845.34 of 32 "
    "(ollama #434), 73,728 of 96 (llama.cpp #3213); macOS 26 gives 107.52 GiB of 128 (antirez/ds4 #893)"
)
WIRED = "assumed; sysctl iogpu.wired_limit_mb sets another limit"
GTT = (
    "512 MiB carved out by the firmware and half of the rest, amdgpu's default (Linux f7ba887f606b; 63,968 MiB of "
    "128 GB in antirez/ds4 #475); Vulkan uses both, ROCm the first alone"
)
PAGES = "512 MiB and half of the rest, assumed; the firmware and ttm.pages_limit set another limit"
GB10 = "121.69 GiB as CUDA reports it (MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks #47)"
ALL = "all of it, as CUDA reports it"
METAL_DRIVER = "Metal's own memory, as Ollama reserves it (ml/device.go)"


class Share(Struct, frozen=True):
    """Of a machine with *ram* bytes for its system, the GPU may take *limit*, of which *unified* are that RAM.

    *rule* says it in words, *source* who says so.
    """

    limit: int
    unified: int
    ram: int
    rule: str
    source: str
    driver: int | None = None
    driver_source: str | None = None


def working_set(memory: int) -> int:
    """Bytes of *memory* that Metal lets the GPU wire, at the least: newer systems give more of large ones."""
    return int(memory * (LARGE_PART if memory >= LARGE else PART))


def _metal(memory: int) -> Share:
    limit = working_set(memory)
    part = LARGE_PART if memory >= LARGE else PART
    return Share(limit, limit, memory, f"{part}, {WIRED}", METAL, ASSUMED_DRIVER, METAL_DRIVER)


def _gtt(memory: int) -> Share:
    ram = memory - CARVED
    table = max(LEAST_GTT, ram // 2)
    return Share(CARVED + table, table, ram, PAGES, GTT)


def _gb10(_: int) -> Share:
    return Share(GB10_TOTAL, GB10_TOTAL, GB10_TOTAL, ALL, GB10)


RULES: Mapping[str, Callable[[int], Share]] = MappingProxyType({"metal": _metal, "gtt": _gtt, "gb10": _gb10})


def cards(chip: Chip) -> Iterator[Card]:
    """*chip* as a card of each size of RAM that it is sold with."""
    for size in chip.sizes:
        share = RULES[chip.limit](size * GIB)
        yield Card(
            name=f"{_slug(chip.name)}-{size}gb",
            vendor=chip.vendor,
            chip=chip.name.removeprefix(f"{chip.vendor} "),
            memory=share.limit,
            memory_source=share.source,
            measured=False,
            bandwidth=chip.bandwidth,
            bandwidth_source=chip.source,
            driver=share.driver,
            driver_source=share.driver_source,
            unified=share.unified,
            ram=share.ram,
            rule=share.rule,
            also=chip.also,
        )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
