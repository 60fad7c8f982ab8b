"""Which engine ``auto`` takes: the first that can use the planned devices, and never the CPU in place of a GPU."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from aidx.errors import EngineError

INSTALL = (
    "Install a build that sees it: llama.cpp for your GPU (brew install llama.cpp, winget install llama.cpp, or a "
    "release of ggml-org/llama.cpp), or xllamacpp for CUDA, ROCm or Vulkan; or plan for the CPU with --vram 0."
)
_DEVICE = re.compile(r"^\s+(?!CPU|BLAS|ACCEL)\w+: .*\(\d+ MiB, \d+ MiB free\)\s*$", re.MULTILINE)


class Candidate(NamedTuple):
    """An engine, and what keeps it from running the plan (nothing: it can)."""

    engine: str
    obstacle: str = ""


def first(candidates: Iterable[Candidate], layers: int) -> str:
    """The first engine that nothing keeps from running *layers* on a GPU; the rest is not looked at.

    Raises ``EngineError`` with what is in the way of each, and the line that installs one.
    """
    obstacles = []
    for candidate in candidates:
        if not candidate.obstacle:
            return candidate.engine
        obstacles.append(f"{candidate.engine} {candidate.obstacle}")
    raise EngineError(
        f"{layers} layers are planned on a GPU, and no engine here sees one: {'; '.join(obstacles)}",
        hint=INSTALL,
        code="no_gpu",
    )


def lists_gpu(text: str) -> bool:
    """Whether *text*, what ``llama-server --list-devices`` prints, has a device beside the CPU."""
    return _DEVICE.search(text) is not None
