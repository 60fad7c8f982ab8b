"""NVIDIA GPUs through NVML, which reads memory without creating a context."""

import sys
from pathlib import Path

from aidx.plan.devices import ASSUMED_DRIVER, Device

NAME = "nvidia"
_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # the driver's control node; Windows' GPU inside WSL


def gpus() -> tuple[Device, ...]:
    """The NVIDIA GPUs of this machine; none where there is no driver."""
    if sys.platform == "linux" and not any(node.exists() for node in _NODES):
        return ()  # saves the 15 ms that importing the binding takes
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_device(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def _device(pynvml: object, index: int) -> Device:
    nvml: object = pynvml
    handle = nvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)  # type: ignore[attr-defined]
    name = nvml.nvmlDeviceGetName(handle)  # type: ignore[attr-defined]
    return Device(
        f"gpu{index}",
        "gpu",
        int(memory.total),
        used=int(memory.used),
        used_why="in use now, read through NVML",
        overhead=ASSUMED_DRIVER,
        overhead_why="CUDA context, aidx's default; --driver SIZE changes it",
        label=name.decode() if isinstance(name, bytes) else str(name),
    )
