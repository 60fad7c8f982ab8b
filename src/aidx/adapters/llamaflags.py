"""The planned settings as the flags of llama-server.

Spelled as ``tools/server/README.md`` of llama.cpp has them (2026-11). Whatever allocates is said, whatever its
default: a default that changes upstream cannot change the bytes. Builds differ in what they know, so each flag may
have an older spelling; where a build knows none of those and the thing is off in our plan, there is nothing to switch
off.
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from aidx.errors import EngineError
from aidx.ports import Launch

MIB = 1 << 20
VERBOSITY = 4  # from which it says what it allocates
HTTP_THREADS = 8  # beside two a slot: counting, health, connections kept alive
_FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")


class Flag(NamedTuple):
    """One setting: spellings of which the first that is known is taken; *needed*: without it nothing is started."""

    spellings: tuple[tuple[str, ...], ...]
    needed: bool = False


def known(help_text: str) -> frozenset[str]:
    """The flags that a build lists in its ``--help``."""
    return frozenset(_FLAG.findall(help_text))


def arguments(launch: Launch, knows: Collection[str], *, threads: int) -> list[str]:
    """The command line after the program's name, without the key; raises ``EngineError`` for a build too old."""
    argv: list[str] = []
    for flag in (*_memory(launch), *_surface(launch, threads)):
        taken = next((words for words in flag.spellings if words[0] in knows), None)
        if taken is not None:
            argv += taken
        elif flag.needed:
            raise EngineError(
                f"llama-server does not know {flag.spellings[0][0]}, which the plan needs",
                hint="Update llama.cpp, or use --engine embedded.",
            )
    return argv


def _memory(launch: Launch) -> Iterator[Flag]:
    """Context, cache, batches, placement, and every store beside them."""
    settings = launch.settings
    yield _must("--model", launch.path)
    yield _must("--ctx-size", str(settings.ctx_size))
    yield _must("--parallel", str(settings.parallel))
    yield Flag((("--kv-unified",) if settings.kv_unified else ("--no-kv-unified",),), settings.parallel > 1)
    yield _must("--cache-type-k", settings.cache_type_k)
    yield _must("--cache-type-v", settings.cache_type_v)
    yield _must("--batch-size", str(settings.batch_size))
    yield _must("--ubatch-size", str(settings.ubatch_size))
    yield _must("--flash-attn", "on" if settings.flash_attn else "off")
    if settings.swa_full:
        yield _must("--swa-full")
    yield _unless_off("--cache-ram", settings.cache_ram // MIB)
    yield _unless_off("--ctx-checkpoints", settings.ctx_checkpoints)
    yield _may(("--no-cache-idle-slots",))
    yield _must("--n-gpu-layers", str(settings.n_gpu_layers))
    yield from _placed(launch)
    yield _may(("--fit", "off"))
    yield _may(("--load-mode", "none"), ("--no-mmap",))
    yield _may(("--lazy-mode", "off"))
    yield _may(("--moe-cache-mib", "0"))
    yield _may(("--no-mtp",))
    yield _may(("--no-context-shift",))
    yield _may(("--cache-reuse", "0"))
    if launch.loras:
        yield _must("--lora", ",".join(launch.loras))


def _placed(launch: Launch) -> Iterator[Flag]:
    settings = launch.settings
    if not settings.n_gpu_layers:  # planned for the CPU: all of it, and no driver is started
        yield _may(("--device", "none"))
        yield _may(("--no-kv-offload",))
        yield _may(("--no-op-offload",))
        return
    if settings.n_cpu_moe:
        yield _must("--n-cpu-moe", str(settings.n_cpu_moe))
    yield _must("--split-mode", settings.split_mode)
    if settings.tensor_split:
        yield _must("--tensor-split", ",".join(f"{part:g}" for part in settings.tensor_split))
    yield _must("--main-gpu", str(settings.main_gpu))


def _surface(launch: Launch, threads: int) -> Iterator[Flag]:
    """What the server offers and how it works: no page, no files, no tools, no settings by request."""
    yield _must("--alias", launch.name)
    yield _must("--host", "127.0.0.1")
    yield _must("--port", "0")
    yield _must("--threads", str(threads))
    yield _may(("--threads-batch", str(threads)))
    yield _may(("--threads-http", str(HTTP_THREADS + 2 * launch.settings.parallel)))
    yield _may(("--verbosity", str(VERBOSITY)), ("--log-verbosity", str(VERBOSITY)))
    yield _may(("--log-colors", "off"))
    yield _may(("--slots",))
    yield _may(("--no-ui",), ("--no-webui",))
    yield _may(("--no-models-autoload",))
    yield _may(("--offline",))
    if launch.embedding:
        yield _must("--embeddings")


def _must(*words: str) -> Flag:
    return Flag((words,), needed=True)


def _may(*spellings: tuple[str, ...]) -> Flag:
    return Flag(spellings)


def _unless_off(flag: str, value: int) -> Flag:
    """A store that an older build does not have is off there."""
    return Flag(((flag, str(value)),), needed=value > 0)
