"""The child that asks the engine; an assert of the engine aborts this process and no other.

Requests are JSON lines on standard input, answers JSON lines on standard output, the first of them (before
any request) ``{"ready": true}`` or ``{"mismatch": why}``:

``{"model": {"header": bytes, "hole": bytes, "gpus": [bytes], "n_gpu_layers", "n_cpu_moe", "split_mode", "main_gpu",
"tensor_split": [parts]}}`` followed by the header itself: loads the model; ``{"loaded": true}`` or
``{"refused": why}``. Without parts the engine splits by the sizes of the GPUs.
``{"projector": {"header": bytes, "hole": bytes, "gpus": [bytes]}}`` followed by the header: ``{"devices": [[device,
bytes]]}`` or ``{"refused": why}``; the model stays loaded.
``{"context": {…}}`` with the fields of ``llama_context_params``: plans it for the loaded model;
``{"buffers": [[device, name, model, context, compute]], "n_ctx"}`` or ``{"refused": why}``.

Imports are few: start-up is a fifth of a probe.
"""

import ctypes as c
import json
import os
import resource
import sys

from aidx.adapters.llama import capi, selfcheck
from aidx.adapters.llama.virtual import Machine
from aidx.adapters.tether import die_with_parent

TYPE_CHECKING = False  # typing itself would take 5 ms to import
if TYPE_CHECKING:
    from typing import IO, Any

MEMORY = 4 << 30  # bytes of private memory the engine may take to plan; it needs some 50 MiB
ERROR = 4  # GGML_LOG_LEVEL_ERROR
MOST_DEVICES = 16  # llama_max_devices(): the engine reads as many parts of a split
SPLIT_MODES = {"none": 0, "layer": 1}  # enum llama_split_mode
EXPERTS = r"blk\.(%s)\.ffn_(up|down|gate|gate_up)_(ch|)exps"  # LLM_FFN_EXPS_REGEX, as --n-cpu-moe uses it


class Engine:
    """The library with at most one model in it."""

    def __init__(self, library: c.CDLL) -> None:
        self.library = library
        self.complaints: list[str] = []
        self._log = capi.LogCallback(self._logged)
        library.llama_log_set(self._log, None)
        library.mtmd_log_set(self._log, None)
        library.llama_backend_init()
        self.machine = Machine(library)
        self.model: int | None = None
        self._kept: list[object] = []  # what the model's parameters point to

    def _logged(self, level: int, text: bytes, _: int) -> None:
        """Keep errors, and write them down at once: an abort leaves nothing else behind."""
        if level == ERROR:
            self.complaints.append(text.decode("utf-8", "replace").strip())
            os.write(2, text)

    def load(self, path: str, wish: "dict[str, Any]") -> bool:
        """Open the model at *path* without allocating anything."""
        self.unload()
        params = self.library.llama_model_default_params()
        devices = self.machine.gpus(wish["gpus"])
        overrides = self._experts(wish["n_cpu_moe"])
        parts = (c.c_float * MOST_DEVICES)(*wish["tensor_split"])
        self._kept = [devices, overrides, parts]
        params.devices = c.addressof(devices)
        params.tensor_buft_overrides = c.addressof(overrides) if wish["n_cpu_moe"] else None
        params.n_gpu_layers = wish["n_gpu_layers"]
        params.split_mode = SPLIT_MODES[wish["split_mode"]]
        params.main_gpu = wish["main_gpu"]
        params.tensor_split = c.addressof(parts) if wish["tensor_split"] else None
        params.no_alloc, params.load_mode = True, 0
        self.model = self.library.llama_model_load_from_file(path.encode(), params)
        return bool(self.model)

    def unload(self) -> None:
        """Forget the model."""
        if self.model:
            self.library.llama_model_free(self.model)
        self.model = None
        self.complaints.clear()

    def _experts(self, blocks: int) -> "c.Array[capi.BufferOverride]":
        """Keep the experts of the first *blocks* on the CPU; one pattern, since each is compiled very often."""
        pattern = EXPERTS % "|".join(map(str, range(blocks)))
        cpu = self.library.ggml_backend_cpu_buffer_type()
        return (capi.BufferOverride * 2)(capi.BufferOverride(pattern.encode(), cpu))

    def plan(self, settings: dict[str, int]) -> dict[str, object] | None:
        """Make a context and say what every buffer of it and of the model takes; ``None`` if it is refused."""
        self.complaints.clear()
        params = self.library.llama_context_default_params()
        for name, value in settings.items():
            setattr(params, name, value)
        context = self.library.llama_init_from_model(self.model, params)
        if not context:
            return None
        try:
            rows = capi.memory_breakdown(self.library, context)
            return {"buffers": [self._row(*row) for row in rows], "n_ctx": self.library.llama_n_ctx(context)}
        finally:
            self.library.llama_free(context)

    def project(self, path: str, gpus: list[int]) -> dict[str, object] | None:
        """What the projector at *path* takes; ``None`` if it is refused."""
        self.complaints.clear()
        devices = self.machine.gpus(gpus)
        params = self.library.mtmd_context_params_default()
        params.use_gpu, params.device = bool(gpus), devices[0]
        rows = capi.projector_memory(self.library, path.encode(), params)
        return {"devices": [[self.machine.holder(device), size] for device, size in rows]} if rows else None

    def _row(self, buffer_type: int, *sizes: int) -> list[object]:
        name = self.library.ggml_backend_buft_name(buffer_type).decode()
        return [self.machine.owner(buffer_type), name, *sizes]

    def refusal(self) -> dict[str, object]:
        """The engine's own words for why there is no model or context; the cause comes first."""
        words = " ".join(self.complaints[0].split()) if self.complaints else "no reason was given"
        self.complaints.clear()
        return {"refused": words.partition("error loading model: ")[2] or words}


def ghost_file(header: bytes, hole: int) -> int:
    """A file in memory with *header* and a *hole*; it is gone when closed, whoever dies."""
    descriptor = os.memfd_create("ghost")
    os.truncate(descriptor, len(header) + hole)
    os.write(descriptor, header)
    return descriptor


def answer(engine: Engine, request: "dict[str, Any]", requests: "IO[bytes]") -> dict[str, object]:
    """Do what one request says."""
    if "context" in request:
        return engine.plan(request["context"]) or engine.refusal()
    wish = request.get("model") or request["projector"]
    descriptor = ghost_file(requests.read(wish.pop("header")), wish.pop("hole"))
    path = f"/proc/self/fd/{descriptor}"
    try:
        if "projector" in request:
            return engine.project(path, wish["gpus"]) or engine.refusal()
        return {"loaded": True} if engine.load(path, wish) else engine.refusal()
    finally:
        os.close(descriptor)


def open_engine(path: str) -> tuple[Engine | None, dict[str, object]]:
    """The engine, or why it is not the one that is known."""
    try:
        library = capi.open_library(path)
    except (OSError, AttributeError) as error:
        return None, {"mismatch": str(error)}
    difference = selfcheck.mismatch(library)
    return (None, {"mismatch": difference}) if difference else (Engine(library), {"ready": True})


def limit() -> None:
    """Take no more memory than a plan needs, and leave no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def main(path: str) -> None:
    """Serve requests until standard input ends; *path* is the wheel's library."""
    die_with_parent()
    limit()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    engine, greeting = open_engine(path)
    answers.write(json.dumps(greeting).encode() + b"\n")
    answers.flush()
    while engine and (line := requests.readline()):
        reply = answer(engine, json.loads(line), requests)
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()
