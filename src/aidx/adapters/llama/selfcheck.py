"""Does the library have the structs of the pinned build? A wrong layout would read or write anywhere.

The layout of the parameters is proven by the default values that the library writes: into zeroed memory they
must give exactly our struct with the values below, and not one byte more. Runs in the child, on the opened
library, before anything else is called.
"""

import ctypes as c

from aidx.adapters.llama.backend import OBJECT_SIZE, Tensor
from aidx.adapters.llama.capi import ContextParams, ModelParams, ProjectorParams

ROOM = 1024  # bytes that a default is written into; the structs have 80 and 168
MODEL_DEFAULTS = {"n_gpu_layers": -1, "split_mode": 1, "load_mode": -1, "lazy_mode": 1, "use_extra_bufts": True}
CONTEXT_DEFAULTS = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_outputs_max_per_seq": 1,
    "n_threads": 4,
    "n_threads_batch": 4,
    "rope_scaling_type": -1,
    "pooling_type": -1,
    "attention_type": -1,
    "flash_attn_type": -1,
    "yarn_ext_factor": -1.0,
    "yarn_attn_factor": -1.0,
    "yarn_beta_fast": -1.0,
    "yarn_beta_slow": -1.0,
    "defrag_thold": -1.0,
    "type_k": 1,
    "type_v": 1,
    "offload_kqv": True,
    "no_perf": True,
    "op_offload": True,
    "swa_full": True,
}


PROJECTOR_DEFAULTS = {
    "use_gpu": True,
    "print_timings": True,
    "n_threads": 4,
    "flash_attn_type": -1,
    "warmup": True,
    "image_min_tokens": -1,
    "image_max_tokens": -1,
    "batch_max_tokens": 1024,
}


def mismatch(library: c.CDLL) -> str | None:
    """What differs from the pinned build, in words; ``None`` when all is as it should be."""
    expected = {
        "llama_model_default_params": ModelParams(**MODEL_DEFAULTS),
        "llama_context_default_params": ContextParams(**CONTEXT_DEFAULTS),
    }
    for function, struct in expected.items():
        if _written(library, function) != bytes(struct).ljust(ROOM, b"\0"):
            return f"{function} gives other values than the pinned build"
    projector = _written(library, "mtmd_context_params_default")
    marker = ProjectorParams.from_buffer_copy(projector).media_marker  # an address that differs from run to run
    if projector != bytes(ProjectorParams(**PROJECTOR_DEFAULTS, media_marker=marker)).ljust(ROOM, b"\0"):
        return "mtmd_context_params_default gives other values than the pinned build"
    overhead = OBJECT_SIZE + c.sizeof(Tensor)
    if library.ggml_tensor_overhead() != overhead:
        return f"a tensor takes {library.ggml_tensor_overhead()} bytes, not {overhead} as in the pinned build"
    return None


def _written(library: c.CDLL, function: str) -> bytes:
    """What *function* leaves in zeroed memory; a struct is returned through a hidden first argument."""
    room = c.create_string_buffer(ROOM)
    prototype = c.CFUNCTYPE(None, c.c_void_p)
    prototype((function, library))(c.addressof(room))
    return room.raw
