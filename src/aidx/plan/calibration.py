"""What was measured on this machine and stands in later plans for what was assumed.

An engine's process takes memory beside its buffers: interpreter, libraries, vocabulary, work buffers, the cells' own
bookkeeping. No formula knows it; a run at full load does. It holds for the same model, batches, cache types, slots
and engine build on the same machine, and for shorter contexts; each cell more is taken for `CELL` bytes.
"""

import re
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.budget.proof import Evidence
from aidx.budget.sizes import amount
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Device, Machine
from aidx.plan.need import Need
from aidx.plan.result import Plan

# src/llama-kv-cells.h: a position, a shift, 256 bits of sequences, a node in a set and one in a map; about 140 bytes.
CELL = 256
ENGINE = "embedded"
SPREAD = 8  # one run differs from the next: an eighth of what was measured is added, and at least this much:
LEAST_SPREAD = 4 << 20


class Calibration(Struct, frozen=True):
    """What one run measured: bytes of the engine's *process* beside its buffers, and of each GPU's driver by label.

    *n_ctx* is the context it ran with, *day* the date as ``2026-11-28``.
    """

    process: int
    n_ctx: int
    day: str
    build: str
    drivers: Mapping[str, int] = field(default_factory=dict)


def here(machine: Machine) -> bool:
    """Whether *machine* is the one that this runs on, and not one that was wished for."""
    return bool(machine.host.used) and all(gpu.label for gpu in machine.gpus)


def key(model: ModelSpec, need: Need, machine: Machine, *, cores: int, build: str) -> str:
    """Names what a measurement holds for."""
    return " | ".join(
        (
            f"{cores} cores, {machine.host.total} B",
            ", ".join(gpu.label for gpu in machine.gpus) or "no GPU",
            build,
            f"{model.architecture} {model.quantization} {model.parameters} {model.vocab_size}",
            f"np {need.parallel} b {need.batch_size} ub {need.ubatch_size}",
            f"kv {need.cache_type_k}/{need.cache_type_v} unified {need.kv_unified} swa {need.swa_full}",
            f"fa {need.flash_attn} ngl {need.n_gpu_layers}",
        )
    )


_PARTS = re.compile(
    r"(?P<cores>\d+) cores, \d+ B \| (?P<gpus>.+?) \| (?P<build>.+?) \| "
    r"(?P<arch>\S+) (?P<quant>\S+) (?P<size>\d+) \d+ \| "
    r"np (?P<slots>\d+) b (?P<batch>\d+) ub (?P<ubatch>\d+) \| "
    r"kv (?P<kv>\S+) unified (?P<unified>\w+) swa (?P<swa>\w+) \| fa (?P<fa>\w+) ngl (?P<ngl>\S+)"
)


def words(name: str) -> str:
    """What the measurement called *name* (by `key`) holds for, in words; a name of another making as it is."""
    found = _PARTS.fullmatch(name)
    if found is None:
        return name
    options = [
        *([] if found["unified"] == "True" else ["a cache for each slot"]),
        *([] if found["swa"] == "False" else ["full windows"]),
        *([] if found["fa"] == "True" else ["no flash attention"]),
        *([] if found["ngl"] == "auto" else [f"-ngl {found['ngl']}"]),
        *([] if found["gpus"] == "no GPU" else [f"on {found['gpus']}"]),
    ]
    return ", ".join(
        (
            f"{found['arch']} {found['quant']} of {int(found['size']):,} parameters",
            f"{found['slots']} slot(s)",
            f"KV {found['kv']}",
            f"batches {found['batch']}/{found['ubatch']}",
            *options,
            f"{found['cores']} cores, {found['build']}",
        )
    )


def applied(machine: Machine, found: Calibration) -> Machine:
    """*machine* with what was *found* in place of what is assumed; a longer context than the measured one has more."""
    room = max(LEAST_SPREAD, found.process // SPREAD)
    why = (
        f"measured here on {found.day} with {found.build}: {amount(found.process)} beside the buffers, "
        f"{amount(room)} more for the spread between runs"
    )
    host = replace(
        machine.host,
        overhead=found.process + room,
        overhead_why=why,
        overhead_grade="measured",
        cells=found.n_ctx,
        cell=CELL,
    )
    return replace(machine, host=host, gpus=tuple(_driver(gpu, found) for gpu in machine.gpus))


def _driver(gpu: Device, found: Calibration) -> Device:
    size = found.drivers.get(gpu.label)
    if size is None or gpu.overhead_grade == "measured":
        return gpu
    why = f"driver context, measured here on {found.day} with {found.build}"
    return replace(gpu, overhead=size, overhead_why=why, overhead_grade="measured")


def found(plan: Plan, machine: Machine, seen: Evidence, day: str) -> Calibration | None:
    """What *seen* says of the engine of *plan*; ``None`` for a run that did not come to its end, or was not seen."""
    whole = not (seen.ended or seen.problem or seen.unfit or seen.requests.lost or seen.kills)
    rest = {peak.device: peak.measured for peak in seen.peaks if peak.measured is not None}
    host = seen.host.name
    if not whole or host not in rest:
        return None
    beside = {name: size - sum(each.bytes for each in seen.allocated.get(name, ())) for name, size in rest.items()}
    drivers = {gpu.label: beside[gpu.name] for gpu in machine.gpus if beside.get(gpu.name, 0) > 0}
    if beside[host] <= 0:
        return None
    return Calibration(beside[host], plan.roles[0].settings.n_ctx, day, seen.build, drivers)


def assumed(plan: Plan) -> bool:
    """Whether the engine's process stands in *plan* as a default of ours that can be measured.

    Of another engine than the embedded one the build is not known before it runs, and so not what a figure holds for.
    """
    return plan.roles[0].engine == ENGINE and any(
        entry.what == "engine_process" and entry.grade == "assumed"
        for account in plan.ledger.accounts
        for entry in account.entries
    )
