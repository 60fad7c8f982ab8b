"""How many tokens a second to expect: a prior from memory bandwidth, until it was measured on this machine.

Making one token reads every active weight once, and the cache of all tokens before it: with a context that is half
full, half of the cache. So the time is bytes over bandwidth, device by device, times what is lost on the way. It is
graded ``assumed``: where the bandwidth of a card is not known, that of the slowest usual card of its size is taken.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from aidx.budget.ledger import Grade, Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Device, Machine

GB = 1_000_000_000  # bandwidths are printed in decimal units
GIB = 1 << 30
# Of the bandwidth that is printed, 60 to 90 % arrive on large CUDA cards; the middle is taken.
ARRIVES = 0.75
# What reading a type leaves of the speed of F16 beyond its size: llama.cpp tools/quantize/README.md, Llama-3.1-8B,
# generation of 128 tokens. Below four bits memory is saved and no time.
_TYPES: Mapping[str, float] = MappingProxyType(
    {
        "F32": 1.0,
        "F16": 1.0,
        "BF16": 1.0,
        "Q8_0": 0.93,
        "Q6_K": 0.83,
        "Q5_K_M": 0.82,
        "Q4_K_M": 0.755,
        "Q4_K_S": 0.77,
        "IQ4_XS": 0.74,
        "Q3_K_M": 0.61,
        "IQ3_M": 0.57,
        "Q2_K": 0.54,
        "IQ2_XXS": 0.41,
    }
)
_OTHER_TYPE = 0.755  # as Q4_K_M
HOST = 51_200_000_000  # two channels of DDR4-3200, 8 bytes each: the least that is usual beside a GPU
# The slowest usual card of a size, GiB: RTX 3060 8 GB, 3060 12 GB, 4060 Ti 16 GB, 3090, 5090, RTX A6000, A100 80 GB
# (data sheets).
_CARDS = ((9, 240), (13, 360), (21, 288), (25, 936), (33, 1792), (49, 768))
_LARGEST = 2039

Bandwidth = Callable[[Device], int | None]  # bytes a second of a device, where its card is known
Measured = Callable[[str], "Timing | None"]  # what was measured under a key of ``speed_key``


class Timing(NamedTuple):
    """*tokens* were made at so many *per_second*."""

    tokens: int
    per_second: float


class Speed(Struct, frozen=True):
    """Tokens a second of one request, how sure that is, and why."""

    tokens_per_second: float
    grade: Grade
    why: str


class Pace(Struct, frozen=True):
    """What is known of the speed of a machine: its bandwidths, and what ran on it."""

    bandwidth: Bandwidth = lambda _: None
    measured: Measured = lambda _: None


def expected(
    model: ModelSpec, settings: Settings, machine: Machine, *, ledger: Ledger, reads: Mapping[str, int], pace: Pace
) -> Speed:
    """The speed of *model* with *settings*: as measured under the same conditions, else assumed.

    *reads* are the bytes of weights that one token reads on each device, *ledger* what the devices hold.
    """
    key = speed_key(model, settings, machine)
    known = pace.measured(key) if key is not None else None
    if known is not None:
        return Speed(known.per_second, "measured", f"measured here over {known.tokens} tokens")
    left = _TYPES.get(model.quantization, _OTHER_TYPE) * ARRIVES
    seconds, parts = 0.0, []
    for device in machine.devices:
        account = ledger.account(device.name)
        size = reads.get(device.name, 0) + account.sum("kv_cache") // 2 + account.sum("recurrent_state")
        rate, whose = _rate(device, pace.bandwidth)
        seconds += size / (rate * left)
        if size:
            parts.append(f"{size / GB:.2f} GB a token at {rate / GB:g} GB/s ({whose})")
    why = f"{' + '.join(parts)}, of which {left:.0%} arrive"
    return Speed(1 / seconds if seconds else 0.0, "assumed", why)


def _rate(device: Device, bandwidth: Bandwidth) -> tuple[int, str]:
    known = bandwidth(device)
    if known:
        return known, device.label or device.name
    if device.kind == "host":
        return HOST, "two channels of DDR4-3200"
    rate = next((rate for below, rate in _CARDS if device.total < below * GIB), _LARGEST)
    return rate * GB, "the slowest usual card of its size"


def speed_key(model: ModelSpec, settings: Settings, machine: Machine) -> str | None:
    """Names what a measured speed holds for; ``None`` for a machine that is not here."""
    if any(not device.label for device in machine.gpus) or not machine.host.used:
        return None
    where = [f"{device.label} {device.total}" for device in machine.gpus]
    parts = [
        model.architecture,
        model.quantization,
        str(model.parameters),
        f"ngl {settings.n_gpu_layers}",
        f"moe {settings.n_cpu_moe}",
        f"{settings.cache_type_k}/{settings.cache_type_v}",
        *where,
    ]
    return " | ".join(parts)
