"""Ollama as it starts llama-server: its own settings and defaults, where the user chose nothing.

Read at ollama/ollama commit fb30760 (2026-08-21): ``envconfig/config.go`` (variables), ``server/routes.go`` (context
by VRAM), ``server/sched.go`` (batch by context, slots by family), ``llm/llama_server.go`` (flags). It passes no
``--cache-ram`` and no ``--ctx-checkpoints``, so that llama-server's own defaults hold (8,192 MiB and 32), as do the
``LLAMA_ARG_`` variables that it inherits; its ``--fit`` keeps ``LLAMA_ARG_FIT_TARGET`` MiB of each GPU free.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from aidx.budget.kv import CACHE_TYPES
from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Device, Machine
from aidx.plan.engines._rules import Rules, Settled, Written
from aidx.plan.need import Need

MIB = 1 << 20
GIB = 1 << 30
TIERS = ((47 * GIB, 262_144), (23 * GIB, 32_768), (0, 4096))  # a little below 48 and 24 GiB, as cards report less
BATCHES = ((32_768, 2048), (4096, 1024), (0, 512))  # tokens of context above which the batch is so large, at most
BATCH_WITHOUT_FLASH = 512
_ONE_SLOT = "mllama qwen3vl qwen3vlmoe qwen35 qwen35moe qwen3next lfm2 lfm2moe nemotron_h nemotron_h_moe"
ONE_SLOT = frozenset((*_ONE_SLOT.split(), "nemotron_h_omni"))
CACHE_RAM_MIB, CHECKPOINTS, FIT_TARGET_MIB = 8192, 32, 1024  # llama-server's defaults
VARIABLES = (
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_NUM_PARALLEL",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_GPU_OVERHEAD",
    "LLAMA_ARG_CACHE_RAM",
    "LLAMA_ARG_CTX_CHECKPOINTS",
    "LLAMA_ARG_FIT",
    "LLAMA_ARG_FIT_TARGET",
)
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})  # Go's strconv.ParseBool; all else that is set is true


def settle(model: ModelSpec, need: Need, machine: Machine) -> Settled:
    """The settings that Ollama would start *model* with; each with its origin in a note.

    Raises ``InputError`` for a cache type that llama-server does not have.
    """
    found = _Found(need)
    overhead = found.number("OLLAMA_GPU_OVERHEAD", 0)
    slots = _slots(found, model)
    context = _context(found, model, machine, overhead)
    found.set("ctx_size", context * slots, _context_why(found, context, slots, machine, overhead))
    found.set("flash_attn", *_flash(found))
    _cache(found)
    _batch(found, model)
    found.set("kv_unified", value=False, why="llama-server's default with -np")
    _host(found)
    kept = overhead + _margin(found)
    return Settled(found.need, _less(machine, kept), (*found.notes(), *_kept_back(kept, machine)))


class _Found:
    """A need being filled in, and where each value came from."""

    def __init__(self, need: Need) -> None:
        self.need = need
        self.environment: Mapping[str, str] = dict(need.environment)
        self.origins: dict[str, list[str]] = {}
        self.ignored: list[str] = []

    def set(self, field: str, value: object, why: str = "") -> None:
        """Take *value*, because of *why* (nothing: Ollama's default), unless the user chose another."""
        if not self.need.chose(field):
            self.need = replace(self.need, **{field: value})
            self.origins.setdefault(why or "its default", []).append(f"{field} {_shown(field, value)}")

    def text(self, name: str) -> str:
        """The variable called *name*, as Ollama reads it."""
        return self.environment.get(name, "").strip().strip("\"'")

    def number(self, name: str, default: int) -> int:
        """The same as a number; what is none is ignored, as Ollama does, and said."""
        text = self.text(name)
        if not text or (text.isascii() and text.isdigit() and len(text) < 20):
            return int(text) if text else default
        said = f"{name} is {text[:40]!r}, no whole number from 0 on: Ollama takes its default, and so does this plan"
        if said not in self.ignored:
            self.ignored.append(said)
        return default

    def notes(self) -> Iterator[str]:
        """One line with all settings that are not the user's own, and one for each that could not be read."""
        if self.origins:
            parts = (f"{', '.join(settings)} ({why})" for why, settings in self.origins.items())
            yield f"Ollama's settings: {'; '.join(parts)}. Flags change them"
        yield from self.ignored


def _shown(field: str, value: object) -> str:
    if field == "cache_ram":
        return f"{int(str(value)) // MIB:,} MiB"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _slots(found: _Found, model: ModelSpec) -> int:
    """Slots, of which some families are given one only (ollama issue 4165)."""
    slots = max(found.number("OLLAMA_NUM_PARALLEL", 1), 1)
    why = "OLLAMA_NUM_PARALLEL" if found.number("OLLAMA_NUM_PARALLEL", 0) else ""
    if model.architecture in ONE_SLOT and slots > 1:
        slots, why = 1, f"Ollama gives {model.architecture} one slot"
    found.set("parallel", slots, why)
    return found.need.parallel


def _context(found: _Found, model: ModelSpec, machine: Machine, overhead: int) -> int:
    """Tokens a slot: never more than the model was trained for."""
    own = found.number("OLLAMA_CONTEXT_LENGTH", 0)
    return min(own or _tier(machine, overhead), max(model.context_length, 1))


def _tier(machine: Machine, overhead: int) -> int:
    total = sum(gpu.total - overhead for gpu in machine.gpus)
    return next(context for least, context in TIERS if total >= least)


def _context_why(found: _Found, context: int, slots: int, machine: Machine, overhead: int) -> str:
    if found.number("OLLAMA_CONTEXT_LENGTH", 0):
        why = "OLLAMA_CONTEXT_LENGTH"
    else:
        why = f"its default for {sum(gpu.total - overhead for gpu in machine.gpus) / GIB:.0f} GiB of VRAM"
    if context < (found.number("OLLAMA_CONTEXT_LENGTH", 0) or _tier(machine, overhead)):
        why += ", no more than the model was trained for"
    return why if slots == 1 else f"{why}, {context:,} for each of {slots} slots"


def _cache(found: _Found) -> None:
    kind = found.text("OLLAMA_KV_CACHE_TYPE").lower()
    fields = ("cache_type_k", "cache_type_v")
    if kind and kind not in CACHE_TYPES and not all(map(found.need.chose, fields)):
        raise InputError(
            f"OLLAMA_KV_CACHE_TYPE is {kind[:40]!r}, and Ollama's llama-server has no such cache type",
            hint=f"Set it to one of {', '.join(CACHE_TYPES)}, or give --cache-type-k and --cache-type-v.",
        )
    for field in fields:
        found.set(field, kind or "f16", "OLLAMA_KV_CACHE_TYPE" if kind else "")


def _batch(found: _Found, model: ModelSpec) -> None:
    total = found.need.ctx_size if isinstance(found.need.ctx_size, int) else model.context_length
    batch = next(size for above, size in BATCHES if total > above)
    if not found.need.flash_attn:
        batch = BATCH_WITHOUT_FLASH
    for field in ("batch_size", "ubatch_size"):
        found.set(field, batch, "at most, by the context; less where memory is short")


def _host(found: _Found) -> None:
    if found.text("LLAMA_ARG_CACHE_RAM") == "-1" and not found.need.chose("cache_ram"):
        raise InputError(
            "LLAMA_ARG_CACHE_RAM is -1, no limit: the host's memory cannot be planned",
            hint="Set it to a number of MiB, or give --cache-ram.",
        )
    for field, name, default, unit in (
        ("cache_ram", "LLAMA_ARG_CACHE_RAM", CACHE_RAM_MIB, MIB),
        ("ctx_checkpoints", "LLAMA_ARG_CTX_CHECKPOINTS", CHECKPOINTS, 1),
    ):
        found.set(field, found.number(name, default) * unit, name if found.text(name) else "llama-server's default")


def _flash(found: _Found) -> tuple[bool, str]:
    text = found.text("OLLAMA_FLASH_ATTENTION")
    if not text:
        return True, "auto: on where the GPU can"
    return text not in _FALSE, "OLLAMA_FLASH_ATTENTION"


def _margin(found: _Found) -> int:
    """Bytes that llama-server's ``--fit`` leaves free of a GPU, while the layers are its own choice."""
    if found.need.n_gpu_layers != "auto" or found.text("LLAMA_ARG_FIT") in {*_FALSE, "off"}:
        return 0
    return found.number("LLAMA_ARG_FIT_TARGET", FIT_TARGET_MIB) * MIB


def _less(machine: Machine, kept: int) -> Machine:
    if not kept:
        return machine
    return replace(machine, gpus=tuple(_reserving(gpu, kept) for gpu in machine.gpus))


def _reserving(gpu: Device, kept: int) -> Device:
    why = "kept free by Ollama (OLLAMA_GPU_OVERHEAD and llama-server's --fit)"
    return replace(gpu, reserve=gpu.reserve + kept, reserve_why=f"{gpu.reserve_why} and {why}" if gpu.reserve else why)


def _kept_back(kept: int, machine: Machine) -> tuple[str, ...]:
    if not kept or not machine.gpus:
        return ()
    free = f"{kept // MIB:,} MiB of each GPU are kept free (OLLAMA_GPU_OVERHEAD and llama-server's --fit)"
    return (f"{free}: with less Ollama moves layers to the host",)


RULES = Rules(
    "ollama", variables=VARIABLES, settle=settle, written=Written("LLAMA_ARG_CACHE_RAM=", "LLAMA_ARG_CTX_CHECKPOINTS=")
)
