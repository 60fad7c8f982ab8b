"""Models as tests need them: the geometry of published ``config.json`` files, without a file."""

from msgspec.structs import replace

from aidx.model.spec import Header, Layer, Metadata, ModelSpec, Value
from aidx.model.tensor import TYPES, Tensor

HEADER = 1 << 20  # bytes that a header with its tokenizer is taken to have


def qwen2(blocks: int = 48, **changed: Value) -> ModelSpec:
    """Qwen2.5-Coder-14B in Q4_K and Q6_K, with so many *blocks*.

    *changed* metadata are given without ``qwen2.`` and with ``__`` for a dot; the tensors stay as they are.
    """
    metadata: dict[str, Value] = {
        "general.architecture": "qwen2",
        "qwen2.block_count": blocks,
        "qwen2.context_length": 32768,
        "qwen2.embedding_length": 5120,
        "qwen2.feed_forward_length": 13824,
        "qwen2.attention.head_count": 40,
        "qwen2.attention.head_count_kv": 8,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 1e6,
        "tokenizer.ggml.model": "gpt2",
    }
    metadata |= {f"qwen2.{key.replace('__', '.')}": value for key, value in changed.items()}
    layer = Layer(kv_heads=8, key_dim=128, value_dim=128)
    return _model(metadata, (layer,) * blocks, _QWEN2, vocabulary=152064)


def qwen3moe(blocks: int = 4) -> ModelSpec:
    """Qwen3-30B-A3B in Q4_K, with few *blocks*."""
    metadata: dict[str, Value] = {
        "general.architecture": "qwen3moe",
        "qwen3moe.block_count": blocks,
        "qwen3moe.context_length": 40960,
        "qwen3moe.embedding_length": 2048,
        "qwen3moe.feed_forward_length": 6144,
        "qwen3moe.expert_feed_forward_length": 768,
        "qwen3moe.expert_count": 128,
        "qwen3moe.expert_used_count": 8,
        "qwen3moe.attention.head_count": 32,
        "qwen3moe.attention.head_count_kv": 4,
        "qwen3moe.attention.key_length": 128,
        "qwen3moe.attention.value_length": 128,
        "qwen3moe.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen3moe.rope.freq_base": 1e6,
    }
    layer = Layer(kv_heads=4, key_dim=128, value_dim=128)
    return _model(metadata, (layer,) * blocks, _QWEN3MOE, vocabulary=151936)


def mamba(blocks: int = 64) -> ModelSpec:
    """Mamba-2.8B in F16: recurrent state and no cache."""
    metadata: dict[str, Value] = {
        "general.architecture": "mamba",
        "mamba.block_count": blocks,
        "mamba.context_length": 1 << 20,
        "mamba.embedding_length": 2560,
        "mamba.feed_forward_length": 0,
        "mamba.attention.head_count": 0,
        "mamba.attention.layer_norm_rms_epsilon": 1e-5,
        "mamba.ssm.conv_kernel": 4,
        "mamba.ssm.inner_size": 5120,
        "mamba.ssm.state_size": 16,
        "mamba.ssm.time_step_rank": 160,
    }
    layer = Layer(conv_state=3 * 5120, recurrent_state=16 * 5120)
    return _model(metadata, (layer,) * blocks, _MAMBA, vocabulary=50280)


def with_metadata(model: ModelSpec, metadata: Metadata) -> ModelSpec:
    """*model* with other metadata."""
    return replace(model, header=replace(model.header, metadata=metadata))


Rows = dict[str, tuple[str, tuple[int, ...]]]

_QWEN2: Rows = {
    "attn_norm.weight": ("f32", (5120,)),
    "attn_q.weight": ("q4_K", (5120, 5120)),
    "attn_k.weight": ("q4_K", (5120, 1024)),
    "attn_v.weight": ("q6_K", (5120, 1024)),
    "attn_q.bias": ("f32", (5120,)),
    "attn_k.bias": ("f32", (1024,)),
    "attn_v.bias": ("f32", (1024,)),
    "attn_output.weight": ("q4_K", (5120, 5120)),
    "ffn_norm.weight": ("f32", (5120,)),
    "ffn_gate.weight": ("q4_K", (5120, 13824)),
    "ffn_up.weight": ("q4_K", (5120, 13824)),
    "ffn_down.weight": ("q6_K", (13824, 5120)),
}
_QWEN3MOE: Rows = {
    "attn_norm.weight": ("f32", (2048,)),
    "attn_q.weight": ("q4_K", (2048, 4096)),
    "attn_k.weight": ("q4_K", (2048, 512)),
    "attn_v.weight": ("q4_K", (2048, 512)),
    "attn_q_norm.weight": ("f32", (128,)),
    "attn_k_norm.weight": ("f32", (128,)),
    "attn_output.weight": ("q4_K", (4096, 2048)),
    "ffn_norm.weight": ("f32", (2048,)),
    "ffn_gate_inp.weight": ("f32", (2048, 128)),
    "ffn_gate_exps.weight": ("q4_K", (2048, 768, 128)),
    "ffn_up_exps.weight": ("q4_K", (2048, 768, 128)),
    "ffn_down_exps.weight": ("q4_K", (768, 2048, 128)),
}
_MAMBA: Rows = {
    "attn_norm.weight": ("f32", (2560,)),
    "ssm_in.weight": ("f16", (2560, 10240)),
    "ssm_conv1d.weight": ("f32", (4, 5120)),
    "ssm_conv1d.bias": ("f32", (5120,)),
    "ssm_x.weight": ("f16", (5120, 192)),
    "ssm_dt.weight": ("f16", (160, 5120)),
    "ssm_dt.bias": ("f32", (5120,)),
    "ssm_a": ("f32", (16, 5120)),
    "ssm_d": ("f32", (5120,)),
    "ssm_out.weight": ("f16", (5120, 2560)),
}


def _model(metadata: Metadata, layers: tuple[Layer, ...], block: Rows, *, vocabulary: int) -> ModelSpec:
    architecture = str(metadata["general.architecture"])
    width, context = (int(str(metadata[f"{architecture}.{key}_length"])) for key in ("embedding", "context"))
    weight = "f16" if architecture == "mamba" else "q6_K"
    rows: Rows = {
        "token_embd.weight": (weight, (width, vocabulary)),
        "output_norm.weight": ("f32", (width,)),
        "output.weight": (weight, (width, vocabulary)),
    }
    for number in range(len(layers)):
        rows |= {f"blk.{number}.{name}": row for name, row in block.items()}
    tensors = tuple(Tensor(name, shape, TYPES[kind]) for name, (kind, shape) in rows.items())
    return ModelSpec(
        name=architecture,
        source="file",
        architecture=architecture,
        quantization="F16" if weight == "f16" else "Q4_K_M",
        header=Header(metadata, tensors, size=HEADER),
        layers=layers,
        block_count=len(layers),
        context_length=context,
        embedding_length=width,
        vocab_size=vocabulary,
        file_bytes=HEADER + sum(tensor.bytes for tensor in tensors),
    )
