"""What the user asks of a plan."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.kv import cache_type
from aidx.budget.split import parts_text
from aidx.errors import InputError

OFFLOAD_CTX = 4096  # below this a context is no use for code: layers move to the host instead (DESIGN section 4)


class Need(Struct, frozen=True):
    """Settings as they were asked for; ``None``, ``"max"`` and ``"auto"`` leave the choice to the plan.

    *given* names those that the user wrote, even where they wrote the default; an engine's own settings, found in
    its *environment*, stand for the others. *notes* are what must be said about how this need came about.
    ``tensor_split`` ``None`` takes the engine's own split, by free memory, and another one where that does not hold.
    """

    ctx_size: int | Literal["max"] | None = None
    parallel: int = 1
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    ubatch_size: int = 512
    batch_size: int = 2048
    n_gpu_layers: int | Literal["all", "auto"] = "auto"
    n_cpu_moe: int | Literal["all", "auto"] = "auto"
    flash_attn: bool = True
    kv_unified: bool = True
    swa_full: bool = False
    cache_ram: int = 0
    ctx_checkpoints: int = 0
    split_mode: Literal["layer", "none"] = "layer"
    tensor_split: tuple[float, ...] | None = None
    main_gpu: int = 0
    engine: str = "embedded"
    fast: bool = False
    start_tokens: int = 0
    turn_tokens: int = 600
    given: frozenset[str] = frozenset()
    environment: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def chose(self, name: str) -> bool:
        """Whether the user chose the setting called *name*: it was given, or is not the default."""
        return name in self.given or getattr(self, name) != getattr(_DEFAULTS, name)

    def checked(self) -> "Need":
        """Self with its names as the engine writes them; ``InputError`` names the first value that cannot be."""
        lowest = {
            "--ctx-size": (self.ctx_size, 1),
            "--parallel": (self.parallel, 1),
            "--ubatch-size": (self.ubatch_size, 1),
            "--batch-size": (self.batch_size, 1),
            "--n-gpu-layers": (self.n_gpu_layers, 0),
            "--n-cpu-moe": (self.n_cpu_moe, 0),
            "--cache-ram": (self.cache_ram, 0),
            "--ctx-checkpoints": (self.ctx_checkpoints, 0),
            "--start-tokens": (self.start_tokens, 0),
            "--turn-tokens": (self.turn_tokens, 1),
            "--main-gpu": (self.main_gpu, 0),
        }
        for flag, (value, least) in lowest.items():
            if isinstance(value, int) and value < least:
                whole = " -c max asks for the longest that holds." if flag == "--ctx-size" else ""
                raise InputError(f"{flag} {value} is too small", hint=f"Give at least {least}.{whole}")
            if isinstance(value, int) and value >= 1 << 31 and flag != "--cache-ram":  # that one is in bytes
                raise InputError(f"{flag} {value} is too large", hint="The engine takes numbers below 2147483648.")
        self._check_split()
        key = cache_type(self.cache_type_k.lower(), option="--cache-type-k")
        values = cache_type(self.cache_type_v.lower(), option="--cache-type-v")
        return replace(self, cache_type_k=key.name, cache_type_v=values.name)

    def _check_split(self) -> None:
        if self.split_mode == "none" and self.tensor_split is not None:
            raise InputError(
                f"--tensor-split {parts_text(self.tensor_split)} splits, and --split-mode none does not",
                hint="Leave one of them out.",
            )
        if self.split_mode == "layer" and self.main_gpu:
            raise InputError(
                f"--main-gpu {self.main_gpu} changes nothing with --split-mode layer",
                hint="Add --split-mode none to use that GPU alone, or leave --main-gpu out.",
            )


_DEFAULTS = Need()
