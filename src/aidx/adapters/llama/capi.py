"""The part of llama.cpp's C API that a probe needs, as the pinned wheel exports it (Linux, x86-64).

The wheel's Python module is itself the shared library; it is opened by path, since importing the package
takes 30 ms longer. Struct layouts: ``include/llama.h`` of the pinned build; ``selfcheck`` compares them with
the library before they are trusted. Bytes per buffer come from ``llama_get_memory_breakdown`` (the unstable
``llama-ext.h``), a C++ function that returns a ``std::map`` by value: libstdc++'s red-black tree is walked.

This file is loaded by the child alone and imports only ``ctypes``: start-up counts.
"""

import ctypes as c

POINTER = c.c_void_p


class ModelParams(c.Structure):
    """``struct llama_model_params``."""

    _fields_ = (
        ("devices", POINTER),
        ("tensor_buft_overrides", POINTER),
        ("n_gpu_layers", c.c_int32),
        ("split_mode", c.c_int32),
        ("load_mode", c.c_int32),
        ("lazy_mode", c.c_int32),
        ("main_gpu", c.c_int32),
        ("tensor_split", POINTER),
        ("progress_callback", POINTER),
        ("progress_callback_user_data", POINTER),
        ("kv_overrides", POINTER),
        ("vocab_only", c.c_bool),
        ("check_tensors", c.c_bool),
        ("use_extra_bufts", c.c_bool),
        ("no_host", c.c_bool),
        ("no_alloc", c.c_bool),
        ("load_mtp", c.c_bool),
    )


class ContextParams(c.Structure):
    """``struct llama_context_params``."""

    _fields_ = (
        ("n_ctx", c.c_uint32),
        ("n_batch", c.c_uint32),
        ("n_ubatch", c.c_uint32),
        ("n_seq_max", c.c_uint32),
        ("n_rs_seq", c.c_uint32),
        ("n_outputs_max", c.c_uint32),
        ("n_outputs_max_per_seq", c.c_uint32),
        ("n_threads", c.c_int32),
        ("n_threads_batch", c.c_int32),
        ("ctx_type", c.c_int32),
        ("rope_scaling_type", c.c_int32),
        ("pooling_type", c.c_int32),
        ("attention_type", c.c_int32),
        ("flash_attn_type", c.c_int32),
        ("rope_freq_base", c.c_float),
        ("rope_freq_scale", c.c_float),
        ("yarn_ext_factor", c.c_float),
        ("yarn_attn_factor", c.c_float),
        ("yarn_beta_fast", c.c_float),
        ("yarn_beta_slow", c.c_float),
        ("yarn_orig_ctx", c.c_uint32),
        ("defrag_thold", c.c_float),
        ("cb_eval", POINTER),
        ("cb_eval_user_data", POINTER),
        ("type_k", c.c_int32),
        ("type_v", c.c_int32),
        ("moe_cache_size", c.c_size_t),
        ("abort_callback", POINTER),
        ("abort_callback_data", POINTER),
        ("embeddings", c.c_bool),
        ("offload_kqv", c.c_bool),
        ("no_perf", c.c_bool),
        ("op_offload", c.c_bool),
        ("swa_full", c.c_bool),
        ("kv_unified", c.c_bool),
        ("samplers", POINTER),
        ("n_samplers", c.c_size_t),
        ("ctx_other", POINTER),
    )


class ProjectorParams(c.Structure):
    """``struct mtmd_context_params`` (``tools/mtmd/mtmd.h``)."""

    _fields_ = (
        ("use_gpu", c.c_bool),
        ("device", POINTER),
        ("print_timings", c.c_bool),
        ("n_threads", c.c_int),
        ("image_marker", POINTER),
        ("media_marker", POINTER),
        ("flash_attn_type", c.c_int),
        ("warmup", c.c_bool),
        ("image_min_tokens", c.c_int),
        ("image_max_tokens", c.c_int),
        ("cb_eval", POINTER),
        ("cb_eval_user_data", POINTER),
        ("batch_max_tokens", c.c_int32),
        ("progress_callback", POINTER),
        ("progress_callback_user_data", POINTER),
    )


class BufferOverride(c.Structure):
    """``struct llama_model_tensor_buft_override``; a list of them ends with a null pattern."""

    _fields_ = (("pattern", c.c_char_p), ("buft", POINTER))


class _Map(c.Structure):
    """``std::map`` in libstdc++: the header node stands inside."""

    _fields_ = (
        ("compare", c.c_size_t),
        ("colour", c.c_size_t),
        ("root", POINTER),
        ("leftmost", POINTER),
        ("rightmost", POINTER),
        ("count", c.c_size_t),
    )


class _Node(c.Structure):
    """A tree node with its pair of buffer type and ``llama_memory_breakdown_data``."""

    _fields_ = (
        ("colour", c.c_size_t),
        ("parent", POINTER),
        ("left", POINTER),
        ("right", POINTER),
        ("buft", POINTER),
        ("model", c.c_size_t),
        ("context", c.c_size_t),
        ("compute", c.c_size_t),
    )


class _Pair(c.Structure):
    """A tree node with its pair of device and bytes."""

    _fields_ = (
        ("colour", c.c_size_t),
        ("parent", POINTER),
        ("left", POINTER),
        ("right", POINTER),
        ("device", POINTER),
        ("bytes", c.c_size_t),
    )


LogCallback = c.CFUNCTYPE(None, c.c_int, c.c_char_p, POINTER)

# The result, then the arguments, of each function.
_FUNCTIONS = {
    "llama_log_set": (None, LogCallback, POINTER),
    "mtmd_log_set": (None, LogCallback, POINTER),
    "mtmd_context_params_default": (ProjectorParams,),
    "llama_backend_init": (None,),
    "llama_model_default_params": (ModelParams,),
    "llama_context_default_params": (ContextParams,),
    "llama_model_load_from_file": (POINTER, c.c_char_p, ModelParams),
    "llama_model_free": (None, POINTER),
    "llama_init_from_model": (POINTER, POINTER, ContextParams),
    "llama_free": (None, POINTER),
    "llama_n_ctx": (c.c_uint32, POINTER),
    "ggml_tensor_overhead": (c.c_size_t,),
    "ggml_nbytes": (c.c_size_t, POINTER),
    "ggml_nelements": (c.c_int64, POINTER),
    "ggml_row_size": (c.c_size_t, c.c_int, c.c_int64),
    "ggml_is_quantized": (c.c_bool, c.c_int),
    "ggml_op_name": (c.c_char_p, c.c_int),
    "ggml_backend_register": (None, POINTER),
    "ggml_backend_buft_name": (c.c_char_p, POINTER),
    "ggml_backend_cpu_buffer_type": (POINTER,),
}
PROJECTOR = "_Z21mtmd_get_memory_usagePKc19mtmd_context_params"
BREAKDOWN = "_Z26llama_get_memory_breakdownPK13llama_context"


def open_library(path: str) -> c.CDLL:
    """Open the wheel's library and type what is used; ``OSError`` or ``AttributeError`` if it is another."""
    library = c.CDLL(path)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    breakdown = getattr(library, BREAKDOWN)
    breakdown.restype, breakdown.argtypes = _Map, [POINTER]
    usage = getattr(library, PROJECTOR)
    usage.restype, usage.argtypes = _Map, [c.c_char_p, ProjectorParams]
    return library


def memory_breakdown(library: c.CDLL, context: int) -> list[tuple[int, int, int, int]]:
    """Rows of (buffer type, model, context and compute bytes) of a context."""
    nodes = (_Node.from_address(address) for address in _walk(getattr(library, BREAKDOWN)(context)))
    return [(node.buft, node.model, node.context, node.compute) for node in nodes]


def projector_memory(library: c.CDLL, path: bytes, params: ProjectorParams) -> list[tuple[int, int]]:
    """Rows of (device, bytes of weights and compute) of the projector at *path*; none where it is refused."""
    nodes = (_Pair.from_address(address) for address in _walk(getattr(library, PROJECTOR)(path, params)))
    return [(node.device, node.bytes) for node in nodes]


def _walk(tree: _Map) -> list[int]:
    """The addresses of a tree's nodes."""
    found: list[int] = []
    pending = [tree.root]
    # The count bounds the walk should the layout ever differ: better a wrong sum than a stray pointer.
    while pending and len(found) <= tree.count:
        address = pending.pop()
        if address:
            node = _Pair.from_address(address)
            found.append(address)
            pending += [node.left, node.right]
    if len(found) != tree.count:
        raise OSError("the engine's account of its memory is not the map of the pinned build")
    return found
