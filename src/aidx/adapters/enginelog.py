"""What llama.cpp says in its log about the buffers that it allocated; text in, values out.

Lines of ``src/llama-model.cpp``, ``llama-kv-cache.cpp``, ``llama-memory-recurrent.cpp`` and
``llama-context.cpp`` of the pinned build, of ``tools/mtmd/clip.cpp`` and ``common/speculative.cpp``; sizes are printed
to 0.01 MiB.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct, field

from aidx.budget.ledger import Entry, What

MIB = 1 << 20
RESOLUTION = MIB // 100  # bytes: the log's 0.01 MiB
_AGAIN = "sched_reserve: reserving"
_DRAFT = "loading draft model"  # common/speculative.cpp; what follows is a second model's
_CLIP = "clip_model_loader: model name"  # tools/mtmd/clip.cpp; it may load a projector twice, to see what it takes
LOADED = "model loaded"  # printed once, after every line that is read here

_BUFFER = re.compile(r"(?:^|\s)\S+:\s+(\S+)\s+(model|KV|RS|compute|output|LoRA) buffer size\s*=\s*(\d+(?:\.\d+)?) MiB")
_PROJECTOR = re.compile(
    r"load_hparams: model size:\s+(\d+\.\d+) MiB|reserve_compute_meta:\s+(\S+)\s+compute buffer size =\s+(\d+\.\d+) MiB"
)
_COMPUTES = re.compile(r"CLIP using (\S+) backend")
_NUMBER = re.compile(r"(llama_context: n_ctx|print_info: max token length)\s+= (\d+)\s*$")
_GPU = re.compile(r"(?:CUDA|ROCm|Vulkan|SYCL|MTL|Metal)(\d*)(?:_Mapped|_Private|_Shared|_Split)?")
_WHAT: Mapping[str, What] = {
    "model": "weights",
    "KV": "kv_cache",
    "RS": "recurrent_state",
    "compute": "compute",
    "output": "output",
    "LoRA": "lora",
}


class Account(Struct):
    """What was read so far: entries by device, the context that was allocated, the longest token in bytes."""

    devices: dict[str, list[Entry]] = field(default_factory=dict)
    n_ctx: int = 0
    longest_token: int = 0
    loaded: bool = False
    _drafts: bool = False
    _encoder: str = "CPU"  # the backend that computes a projector

    def read(self, line: str) -> bool:
        """Take in one line; those that say nothing of buffers are passed over. True after the last one."""
        if not self._turns(line):
            self._take(line)
        return self.loaded

    def _turns(self, line: str) -> bool:
        """Whether the line says what those after it are about."""
        if _AGAIN in line:  # with adapters the graph is reserved once more, and the first one is dropped
            self._drop(lambda entry: entry.what == "compute" and not self._drafts)
        elif _DRAFT in line:
            self._drafts = True
        elif _CLIP in line:
            self._drop(lambda entry: entry.what == "projector")
        elif found := _COMPUTES.search(line):
            self._encoder = found[1]
        elif line.rstrip().endswith(LOADED):
            self.loaded = True
        else:
            return False
        return True

    def _take(self, line: str) -> None:
        if part := _PROJECTOR.search(line):
            weights, name, compute = part.groups()
            self._add(_entry("projector", weights or compute, name or self._encoder), name or self._encoder)
        elif buffer := _BUFFER.search(line):
            name, kind, size = buffer.groups()
            what: What = "draft" if self._drafts else "repack" if name == "CPU_REPACK" else _WHAT[kind]
            self._add(_entry(what, size, f"{name} {kind}"), name)
        elif (number := _NUMBER.search(line)) and not self._drafts:
            if number[1].endswith("n_ctx"):
                self.n_ctx = int(number[2])
            else:
                self.longest_token = int(number[2])

    def _add(self, entry: Entry, name: str) -> None:
        self.devices.setdefault(_device(name), []).append(entry)

    def _drop(self, unwanted: Callable[[Entry], bool]) -> None:
        for entries in self.devices.values():
            entries[:] = [entry for entry in entries if not unwanted(entry)]


def _entry(what: What, size: str, which: str) -> Entry:
    return Entry(what, round(Decimal(size) * MIB), f"{which} buffer, as the engine logs it", "measured")


def _device(name: str) -> str:
    """``gpu0``, … for a GPU's own buffers; pinned ones (``CUDA_Host``) and the CPU's are the host's."""
    found = _GPU.fullmatch(name)
    return "host" if found is None else f"gpu{found[1] or 0}"
