"""The planned settings as the flags of llama-server, for those who start it and for those who write it down.

Spelled as ``tools/server/README.md`` of llama.cpp has them (2026-11). Whatever allocates is said, whatever its
default: a default that changes upstream cannot change the bytes. Builds differ in what they know, so each flag may
have an older spelling; where a build knows none of those and the thing is off in our plan, there is nothing to switch
off.
"""

from collections.abc import Iterator
from typing import NamedTuple

from aidx.budget.settings import Settings
from aidx.plan.files import NO_FILES, Files

MIB = 1 << 20


class Flag(NamedTuple):
    """One setting: spellings of which the first that is known is taken; *needed*: without it nothing is started."""

    spellings: tuple[tuple[str, ...], ...]
    needed: bool = False


def memory(path: str, settings: Settings, beside: Files = NO_FILES) -> Iterator[Flag]:
    """Context, cache, batches, placement, every store beside them, and the files that are loaded along."""
    yield must("--model", path)
    yield must("--ctx-size", str(settings.ctx_size))
    yield must("--parallel", str(settings.parallel))
    yield Flag((("--kv-unified",) if settings.kv_unified else ("--no-kv-unified",),), settings.parallel > 1)
    yield must("--cache-type-k", settings.cache_type_k)
    yield must("--cache-type-v", settings.cache_type_v)
    yield must("--batch-size", str(settings.batch_size))
    yield must("--ubatch-size", str(settings.ubatch_size))
    yield must("--flash-attn", "on" if settings.flash_attn else "off")
    if settings.swa_full:
        yield must("--swa-full")
    yield _unless_off("--cache-ram", settings.cache_ram // MIB)
    yield _unless_off("--ctx-checkpoints", settings.ctx_checkpoints)
    yield may(("--no-cache-idle-slots",))
    yield must("--n-gpu-layers", str(settings.n_gpu_layers))
    yield from _placed(settings)
    yield may(("--fit", "off"))
    yield may(("--load-mode", "none"), ("--no-mmap",))
    yield may(("--lazy-mode", "off"))
    yield may(("--moe-cache-mib", "0"))
    yield may(("--no-mtp",))
    yield may(("--no-context-shift",))
    yield may(("--cache-reuse", "0"))
    yield from _along(beside, settings)


def _placed(settings: Settings) -> Iterator[Flag]:
    if not settings.n_gpu_layers:  # planned for the CPU: all of it, and no driver is started
        yield may(("--device", "none"))
        yield may(("--no-kv-offload",))
        yield may(("--no-op-offload",))
        return
    if settings.n_cpu_moe:
        yield must("--n-cpu-moe", str(settings.n_cpu_moe))
    yield must("--split-mode", settings.split_mode)
    if settings.tensor_split:
        yield must("--tensor-split", ",".join(f"{part:g}" for part in settings.tensor_split))
    yield must("--main-gpu", str(settings.main_gpu))


def _along(beside: Files, settings: Settings) -> Iterator[Flag]:
    """Adapters, a projector, a draft model; what lies on no GPU is kept from it."""
    if beside.lora:
        yield must("--lora", ",".join(beside.lora))
    if beside.mmproj is not None:
        yield must("--mmproj", beside.mmproj)
        if not settings.n_gpu_layers:
            yield may(("--no-mmproj-offload",))
    if beside.model_draft is not None:
        layers = "999" if settings.n_gpu_layers else "0"
        yield must("--model-draft", beside.model_draft)
        yield may(("--spec-type", "draft-simple"))  # a build that has it loads the model and does not ask it otherwise
        yield _either("--spec-draft-n-max", "--draft-max", str(settings.n_draft))
        yield _either("--spec-draft-ngl", "--n-gpu-layers-draft", layers)
        yield _either("--spec-draft-type-k", "--cache-type-k-draft", "f16")
        yield _either("--spec-draft-type-v", "--cache-type-v-draft", "f16")


def _either(new: str, old: str, value: str) -> Flag:
    """A flag that has been renamed."""
    return Flag(((new, value), (old, value)), needed=True)


def must(*words: str) -> Flag:
    """A flag without which nothing is started."""
    return Flag((words,), needed=True)


def may(*spellings: tuple[str, ...]) -> Flag:
    """A flag that is left out where a build has none of its spellings."""
    return Flag(spellings)


def _unless_off(flag: str, value: int) -> Flag:
    """A store that an older build does not have is off there."""
    return Flag(((flag, str(value)),), needed=value > 0)
