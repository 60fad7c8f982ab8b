"""NVIDIA GPUs through NVML, which reads memory without creating a context."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aidx.plan.devices import ASSUMED_DRIVER, Device, Found

NAME = "nvidia"
NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # the driver's control node; Windows' GPU inside WSL
_INSTEAD = "give --gpu or --vram to plan for one"
_ORDER = (
    "several kinds of NVIDIA GPU are numbered here as on the bus; "
    "start the engine with CUDA_DEVICE_ORDER=PCI_BUS_ID so that it numbers them alike"
)


def find() -> Found:
    """The NVIDIA GPUs of this machine; none where there is no driver."""
    if sys.platform == "linux" and not any(node.exists() for node in NODES):
        return Found()  # saves the 15 ms that importing the binding takes
    import pynvml

    return read(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER"))


def read(nvml: Any, visible: str | None = None, order: str | None = None) -> Found:  # noqa: ANN401 - a module
    """What *nvml* (the module ``pynvml``) sees of the *visible* GPUs; errors of the driver become notes."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Found(notes=(f"NVIDIA GPUs cannot be read ({_said(error)}): {_INSTEAD}",))
    try:
        return _listed(nvml, visible, order)
    except nvml.NVMLError as error:
        return Found(notes=(f"NVIDIA GPUs cannot be read ({_said(error)}): {_INSTEAD}",))
    finally:
        nvml.nvmlShutdown()


def _listed(nvml: Any, visible: str | None, order: str | None) -> Found:  # noqa: ANN401 - a module
    gpus: list[Device] = []
    notes: list[str] = []
    for index in indices(nvml, visible):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            label = _label(nvml, handle)
            if _in_slices(nvml, handle):
                notes.append(f"{label} is in MIG mode, and its slices are not read: give --vram with a slice's size")
            else:
                gpus.append(_device(nvml, handle, len(gpus), label))
        except nvml.NVMLError as error:
            notes.append(f"NVIDIA GPU {index} cannot be read ({_said(error)}): {_INSTEAD}")
    if visible is not None and not gpus and not notes:
        notes.append(f"CUDA_VISIBLE_DEVICES={visible} leaves no NVIDIA GPU")
    if len({gpu.label for gpu in gpus}) > 1 and order != "PCI_BUS_ID":
        notes.append(_ORDER)
    return Found(tuple(gpus), tuple(notes))


def indices(nvml: Any, visible: str | None) -> Iterator[int]:  # noqa: ANN401 - a module
    """The GPUs that CUDA shows a process: all, or those named by number or UUID, up to the first unknown name."""
    count = nvml.nvmlDeviceGetCount()
    if visible is None:
        yield from range(count)
        return
    uuids = [_text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(index))) for index in range(count)]
    for name in visible.split(","):
        found = _index(name.strip(), uuids)
        if found is None:
            return
        yield found


def _index(name: str, uuids: Sequence[str]) -> int | None:
    if name.isdecimal():
        return int(name) if int(name) < len(uuids) else None
    return next((number for number, uuid in enumerate(uuids) if name and uuid.startswith(name)), None)


def _label(nvml: Any, handle: object) -> str:  # noqa: ANN401 - a module
    name = _text(nvml.nvmlDeviceGetName(handle))
    return name if name.startswith("NVIDIA") else f"NVIDIA {name}"


def _in_slices(nvml: Any, handle: object) -> bool:  # noqa: ANN401 - a module
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # a card that has no such mode
        return False
    return bool(current == 1)  # NVML_DEVICE_MIG_ENABLE


def _device(nvml: Any, handle: object, number: int, label: str) -> Device:  # noqa: ANN401 - a module
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Device(
        f"gpu{number}",
        "gpu",
        int(memory.total),
        total_why="read through NVML",
        used=int(memory.used),
        used_why="in use now, read through NVML",
        overhead=ASSUMED_DRIVER,
        overhead_why="CUDA context, aidx's default; --driver SIZE changes it",
        label=label,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
