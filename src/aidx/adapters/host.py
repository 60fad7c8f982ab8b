"""What an engine's process gets of this machine: an environment, threads; and what it takes."""

import os
import subprocess
from collections.abc import Sequence

from aidx.errors import EngineError

PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
PASSED_PREFIXES = ("LC_", "DYLD_", "OMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "HSA_", "VK_")
ANSWER_S = 60.0  # a GPU build starts its driver before it says its version


def engine_environment() -> dict[str, str]:
    """What an engine may know of ours: no keys, no tokens."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in PASSED or name.upper().startswith(PASSED_PREFIXES)
    }
    # An assert would start a debugger first and take its time. Threads that spin while they wait for each
    # other made one token 500 times slower beside another busy process (2 cores: 491 against 1.1 ms).
    return {"OMP_WAIT_POLICY": "passive", **passed, "GGML_NO_BACKTRACE": "1"}


def physical_cores() -> int:
    """Physical cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or allowed, allowed)


def resident(pid: int) -> int:
    """Bytes of memory of the process *pid*; 0 when it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def own_memory(pid: int) -> int | None:
    """Bytes that the process *pid* has to itself, files that it has mapped left out; ``None`` when it is gone."""
    from aidx.adapters.sampling.tree import TreeSampler

    found = TreeSampler(lambda: (pid,), alone=True).read()
    return None if found is None else found.anonymous


def program_output(argv: Sequence[str]) -> str:
    """What *argv* writes, on either stream; ``EngineError`` where it cannot be started or does not end."""
    try:
        done = subprocess.run(list(argv), capture_output=True, env=engine_environment(), timeout=ANSWER_S, check=False)
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{' '.join(argv)} does not end within {ANSWER_S:.0f} s") from None
    return (done.stdout + done.stderr).decode("utf-8", "replace")
