"""What llama.cpp says in its log about the buffers that it allocated; text in, values out.

Lines of ``src/llama-model.cpp``, ``llama-kv-cache.cpp``, ``llama-memory-recurrent.cpp`` and
``llama-context.cpp`` of the pinned build; sizes are printed to 0.01 MiB.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from aidx.budget.ledger import Entry

MIB = 1 << 20
RESOLUTION = MIB // 100  # bytes: the log's 0.01 MiB
_AGAIN = "sched_reserve: reserving"
LOADED = "model loaded"  # printed once, after every line that is read here

_BUFFER = re.compile(r"(?:^|\s)\S+:\s+(\S+)\s+(model|KV|RS|compute|output|LoRA) buffer size\s*=\s*(\d+(?:\.\d+)?) MiB")
_NUMBER = re.compile(r"(llama_context: n_ctx|print_info: max token length)\s+= (\d+)\s*$")
_GPU = re.compile(r"(?:CUDA|ROCm|Vulkan|SYCL|MTL|Metal)(\d*)(?:_Mapped|_Private|_Shared|_Split)?")
_WHAT: Mapping[str, Literal["weights", "kv_cache", "recurrent_state", "compute", "output", "lora"]] = {
    "model": "weights",
    "KV": "kv_cache",
    "RS": "recurrent_state",
    "compute": "compute",
    "output": "output",
    "LoRA": "lora",
}


@dataclass(slots=True)
class Account:
    """What was read so far: entries by device, the context that was allocated, the longest token in bytes."""

    devices: dict[str, list[Entry]] = field(default_factory=dict)
    n_ctx: int = 0
    longest_token: int = 0
    loaded: bool = False

    def read(self, line: str) -> bool:
        """Take in one line; those that say nothing of buffers are passed over. True after the last one."""
        if _AGAIN in line:  # with adapters the graph is reserved once more, and the first one is dropped
            for entries in self.devices.values():
                entries[:] = [entry for entry in entries if entry.what != "compute"]
        elif buffer := _BUFFER.search(line):
            name, kind, size = buffer.groups()
            self.devices.setdefault(_device(name), []).append(_entry(name, kind, size))
        elif number := _NUMBER.search(line):
            if number[1].endswith("n_ctx"):
                self.n_ctx = int(number[2])
            else:
                self.longest_token = int(number[2])
        elif line.rstrip().endswith(LOADED):
            self.loaded = True
        return self.loaded


def _entry(name: str, kind: str, size: str) -> Entry:
    what = "repack" if name == "CPU_REPACK" else _WHAT[kind]
    return Entry(what, round(Decimal(size) * MIB), f"{name} {kind} buffer, as the engine logs it", "measured")


def _device(name: str) -> str:
    """``gpu0``, … for a GPU's own buffers; pinned ones (``CUDA_Host``) and the CPU's are the host's."""
    found = _GPU.fullmatch(name)
    return "host" if found is None else f"gpu{found[1] or 0}"
