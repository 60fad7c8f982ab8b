"""The process of the embedded engine: llama.cpp's server out of the xllamacpp wheel.

Told on the first line of standard input what to load (the key too: an argument or an environment could be
read by others); answers on standard output with one line of JSON, where it listens or why it does not. Ends
when standard input does.
"""

import json
import os
import signal
import sys
from typing import Any

from aidx.adapters.tether import die_with_parent

BUFFERS_LOGGED = 4  # verbosity from which the engine says what it allocates
ALL_LAYERS = 999
SPLIT_MODES = {"layer": "LLAMA_SPLIT_MODE_LAYER", "none": "LLAMA_SPLIT_MODE_NONE"}
CACHE_TYPES = {
    "f32": "GGML_TYPE_F32",
    "f16": "GGML_TYPE_F16",
    "bf16": "GGML_TYPE_BF16",
    "q8_0": "GGML_TYPE_Q8_0",
    "q5_1": "GGML_TYPE_Q5_1",
    "q5_0": "GGML_TYPE_Q5_0",
    "q4_1": "GGML_TYPE_Q4_1",
    "q4_0": "GGML_TYPE_Q4_0",
    "iq4_nl": "GGML_TYPE_IQ4_NL",
}


def main() -> None:
    """Load, say where, and stay until the parent closes standard input."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it drains first
    order = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not order:
        return
    import xllamacpp

    if order["n_gpu_layers"] and not _sees_gpu(xllamacpp):
        _say({"error": "no_gpu"})
        return
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, order))
    except RuntimeError as error:
        _say({"error": "not_loaded", "detail": str(error)})
        return
    _say({"url": server.listening_address, "build": _build(xllamacpp)})
    while os.read(sys.stdin.fileno(), 1 << 16):
        pass
    os._exit(0)  # without destructors: the engine may be in the middle of a batch, and all is given back


def _parameters(xllamacpp: Any, order: dict[str, Any]) -> Any:  # noqa: ANN401 - the wheel has no types
    """The server's parameters; everything that allocates is set, whatever its default."""
    found = xllamacpp.CommonParams()
    found.model.path = order["path"]
    found.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in order["loras"]]
    found.model_alias = {order["name"]}
    found.hostnames = ["127.0.0.1"]
    found.port = 0
    found.api_keys = [order["key"]]
    found.verbosity = BUFFERS_LOGGED
    _memory(xllamacpp, found, order)
    _along(xllamacpp, found, order)
    _surface(found)
    found.embedding = order["embedding"]
    found.n_threads_http = order["http_threads"]
    for threads in (found.cpuparams, found.cpuparams_batch):
        threads.n_threads = order["threads"]
    return found


def _memory(xllamacpp: Any, found: Any, order: dict[str, Any]) -> None:  # noqa: ANN401 - the wheel has no types
    """Context, cache, batches, placement, and every store beside them."""
    flash = xllamacpp.llama_flash_attn_type
    found.n_ctx = order["n_ctx"]
    found.n_parallel = order["n_parallel"]
    found.kv_unified = order["kv_unified"]
    found.kv_unified_per_slot = 0
    found.cache_type_k = getattr(xllamacpp.ggml_type, CACHE_TYPES[order["cache_type_k"]])
    found.cache_type_v = getattr(xllamacpp.ggml_type, CACHE_TYPES[order["cache_type_v"]])
    found.n_batch = order["n_batch"]
    found.n_ubatch = order["n_ubatch"]
    found.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED if order["flash_attn"] else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    found.swa_full = order["swa_full"]
    found.cache_ram_mib = order["cache_ram_mib"]
    found.cache_idle_slots = order["cache_ram_mib"] > 0  # as the engine does by itself where it keeps prompts
    found.n_ctx_checkpoints = order["n_ctx_checkpoints"]
    found.n_gpu_layers = order["n_gpu_layers"]
    found.split_mode = getattr(xllamacpp.llama_split_mode, SPLIT_MODES[order["split_mode"]])
    parts = order["tensor_split"]
    found.tensor_split = [*parts, *[0.0] * (len(found.tensor_split) - len(parts))]
    found.main_gpu = order["main_gpu"]
    found.no_kv_offload = found.no_op_offload = order["n_gpu_layers"] == 0  # planned for the CPU: all of it
    found.fit_params = False  # the plan has decided; the engine may not shrink it
    found.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE  # what is planned is what is allocated
    found.lazy_mode = xllamacpp.llama_lazy_mode.LLAMA_LAZY_MODE_OFF
    found.load_mtp = False
    found.warmup = True
    found.ctx_shift = False  # never cut a conversation silently
    found.n_cache_reuse = 0


def _along(xllamacpp: Any, found: Any, order: dict[str, Any]) -> None:  # noqa: ANN401 - the wheel has no types
    """A projector and a draft model, if they are planned; what lies on no GPU is kept from it."""
    if order["mmproj"] is not None:
        found.mmproj.path = order["mmproj"]
        found.mmproj_use_gpu = order["n_gpu_layers"] > 0
    if order["model_draft"] is not None:
        draft = found.speculative.draft
        draft.mparams.path = order["model_draft"]
        draft.n_max = order["n_draft"]
        draft.n_gpu_layers = ALL_LAYERS if order["n_gpu_layers"] else 0
        draft.cache_type_k = draft.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F16
        simple = xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE
        found.speculative.types = [simple]  # without a type it is loaded, and never asked


def _surface(found: Any) -> None:  # noqa: ANN401 - the wheel has no types
    """What the server offers: no page, no files, no tools, no settings by request."""
    found.ui = False
    found.endpoint_slots = True  # the gate asks it whether a slot is free again
    found.endpoint_props = False
    found.endpoint_metrics = False
    found.models_autoload = False
    found.cors_origins = ""
    found.cors_credentials = False
    found.cont_batching = True
    found.reuse_port = False
    found.offline = True


def _sees_gpu(xllamacpp: Any) -> bool:  # noqa: ANN401 - the wheel has no types
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    return any(device["type"] != cpu for device in xllamacpp.get_device_info())


def _build(xllamacpp: Any) -> str:  # noqa: ANN401 - the wheel has no types
    return f"xllamacpp {xllamacpp.__version__}"


def _say(answer: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
