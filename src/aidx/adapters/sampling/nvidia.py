"""What processes hold on NVIDIA GPUs: NVML's own list of them, context included."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from aidx.adapters.hardware.nvidia import NODES, indices


def use() -> "NvidiaUse | NoUse":
    """What processes hold on the NVIDIA GPUs of this machine, numbered as the engine numbers them."""
    if sys.platform == "linux" and not any(node.exists() for node in NODES):
        return NoUse()
    import pynvml

    try:
        pynvml.nvmlInit()
        return NvidiaUse(pynvml, list(indices(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))))
    except pynvml.NVMLError:
        return NoUse()


class NoUse:
    """No GPU that can be looked into."""

    def __call__(self, _: frozenset[int]) -> Mapping[str, int]:
        """Nothing is known of any."""
        return {}


class NvidiaUse:
    """Asks *nvml* (the module ``pynvml``) about the GPUs *at* these indices, called ``gpu0``, ``gpu1``, … here.

    A GPU on which the driver gives no figure for a process (Windows, some containers) is left out: nobody may take
    that for 0 bytes.
    """

    def __init__(self, nvml: Any, at: Sequence[int]) -> None:  # noqa: ANN401 - a module
        self._nvml = nvml
        self._handles = {f"gpu{number}": nvml.nvmlDeviceGetHandleByIndex(index) for number, index in enumerate(at)}

    def __call__(self, pids: frozenset[int]) -> Mapping[str, int]:
        """Bytes that *pids* hold, by GPU."""
        found = {}
        for name, handle in self._handles.items():
            size = self._held(handle, pids)
            if size is not None:
                found[name] = size
        return found

    def _held(self, handle: object, pids: frozenset[int]) -> int | None:
        try:
            listed = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except self._nvml.NVMLError:
            return None
        ours = [process.usedGpuMemory for process in listed if process.pid in pids]
        return None if any(size is None for size in ours) else sum(ours)
