"""The same model unplanned: with the settings that llama-server takes when nobody gives it any."""

from msgspec.structs import replace

from aidx.budget.settings import Settings

# llama.cpp's common/common.h and tools/server/README.md of the pinned build: 4 slots over one pool, the context the
# model was trained for, 8,192 MiB of prompts kept in host RAM, 32 checkpoints of the context.
SLOTS = 4
CACHE_RAM = 8192 << 20
CHECKPOINTS = 32


def unplanned(settings: Settings, context_length: int) -> Settings:
    """The engine's defaults; where layers and experts lie is as planned, since a GPU's driver sets no ceiling."""
    return replace(
        Settings(ctx_size=context_length),
        parallel=SLOTS,
        cache_ram=CACHE_RAM,
        ctx_checkpoints=CHECKPOINTS,
        n_gpu_layers=settings.n_gpu_layers,
        n_cpu_moe=settings.n_cpu_moe,
        split_mode=settings.split_mode,
        tensor_split=settings.tensor_split,
        main_gpu=settings.main_gpu,
    )


def described(settings: Settings) -> str:
    """What the twin was started with, in words."""
    return (
        f"{settings.ctx_size:,} tokens, {settings.parallel} slots, {settings.cache_ram >> 20:,} MiB of prompts kept, "
        f"{settings.ctx_checkpoints} checkpoints"
    )
