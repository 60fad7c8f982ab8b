"""The attention cache as the engine allocates it, layer by layer.

Rules of ``src/llama-kv-cache.cpp`` and ``src/llama-kv-cache-iswa.cpp`` (llama.cpp): K and V are tensors of
``[width, cells, streams]``; a layer with a sliding window keeps the window and one physical batch; without
flash attention V is stored transposed at the widest V of all layers. An indexer of sparse attention keeps one
more K a token, in MiniMax M3 also a V (``src/llama-kv-cache-dsa.cpp``, ``src/llama-kv-cache-msa.cpp``).
"""

from collections.abc import Sequence

from aidx.budget.buffers import rules_for
from aidx.budget.settings import CELL_PAD, Settings, pad
from aidx.errors import InputError
from aidx.model.spec import Layer
from aidx.model.tensor import TYPES, TensorType, row_bytes

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")


def cache_type(name: str, *, option: str) -> TensorType:
    """The storage type called *name*; *option* is what the user wrote it after.

    Raises:
        InputError: For a type that a cache cannot have.
    """
    if name not in CACHE_TYPES:
        raise InputError(
            f"unknown cache type '{name}' for {option} (known: {', '.join(CACHE_TYPES)})",
            hint=f"Give {option} one of the known types, for example q8_0.",
        )
    return TYPES[name]


def check_cache(layers: Sequence[Layer], settings: Settings) -> None:
    """Refuse what the engine would refuse.

    Raises:
        InputError: For an unknown type, quantized V without flash attention, heads that cut a block, or two
            types where V is a view of K (MLA).
    """
    key = cache_type(settings.cache_type_k, option="--cache-type-k")
    value = cache_type(settings.cache_type_v, option="--cache-type-v")
    if value.block > 1 and not settings.flash_attn:
        raise InputError(
            f"--cache-type-v {value.name} needs flash attention, and --flash-attn is off",
            hint="Use --flash-attn on, or --cache-type-v f16.",
        )
    for number, layer in enumerate(layers):
        if layer.kv_heads:  # without flash attention only whole rows have to divide
            together = 1 if settings.flash_attn else layer.kv_heads
            _check_width(together * layer.key_dim, key, number, "--cache-type-k")
            _check_width(together * (layer.value_dim or layer.view_dim), value, number, "--cache-type-v")
            _check_width(layer.index_key, key, number, "--cache-type-k")
            _check_width(layer.index_value, value, number, "--cache-type-v")
    if key != value and any(layer.kv_heads and not layer.value_dim for layer in layers):
        raise InputError(
            f"--cache-type-k {key.name} and --cache-type-v {value.name} differ, and this model's V is a view of K",
            hint=f"Use --cache-type-v {key.name}.",
        )


def _check_width(width: int, kind: TensorType, number: int, option: str) -> None:
    if width % kind.block:
        raise InputError(
            f"{option} {kind.name} stores blocks of {kind.block} elements, and a head of layer {number} has {width}",
            hint=f"Use {option} f16 with this model.",
        )


def cells(layer: Layer, settings: Settings) -> int:
    """Tokens that one stream of *layer* keeps."""
    if layer.window is None or settings.swa_full:
        return settings.n_ctx_seq
    sequences = settings.parallel if settings.kv_unified else 1
    return pad(min(settings.n_ctx_seq, layer.window * sequences + settings.n_ubatch), CELL_PAD)


def value_width(layers: Sequence[Layer], settings: Settings) -> int | None:
    """Elements of V a token when every layer must have the same (no flash attention), else ``None``."""
    if settings.flash_attn:
        return None
    return max((layer.kv_heads * layer.value_dim for layer in layers), default=0)


def layer_bytes(layer: Layer, settings: Settings, *, device: str, widest: int | None) -> int:
    """Bytes of *layer*'s K and V on *device*, an indexer's too; *widest* is what ``value_width`` says."""
    if not layer.kv_heads:
        return 0
    rules, rows = rules_for(device), cells(layer, settings) * settings.n_stream
    key, value = TYPES[settings.cache_type_k], TYPES[settings.cache_type_v]
    size = rules.allocated(key, layer.kv_heads * layer.key_dim, rows)
    if layer.value_dim:
        size += rules.allocated(value, layer.kv_heads * layer.value_dim if widest is None else widest, rows)
    if layer.index_key:
        size += rules.allocated(key, layer.index_key, rows)
    if layer.index_value:
        size += rules.allocated(value, layer.index_value, rows)
    return size


def token_bytes(layer: Layer, settings: Settings) -> int:
    """Bytes that *layer* keeps for one token, flash attention on."""
    if not layer.kv_heads:
        return 0
    key, value = TYPES[settings.cache_type_k], TYPES[settings.cache_type_v]
    keys = row_bytes(key, layer.kv_heads * layer.key_dim) + row_bytes(key, layer.index_key)
    return keys + row_bytes(value, layer.kv_heads * layer.value_dim) + row_bytes(value, layer.index_value)


def is_copied(kind: str) -> bool:
    """Whether flash attention on CUDA reads a cache of this type through an f16 copy of its own.

    f16 needs none, and f32 is converted by the graph before it.
    """
    return kind not in {"f16", "f32"}
