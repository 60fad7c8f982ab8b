"""From ``config.json`` to GGUF metadata: one row a class of transformers.

As llama.cpp's converters write it (``conversion/*.py`` at 2bbcf7fc9), the keys that its memory depends on.
Defaults are those of the configuration classes in transformers, for files that leave values out.
"""

from collections.abc import Callable, Mapping
from math import log, sqrt
from types import MappingProxyType
from typing import Final

from msgspec import Struct, field

from aidx.errors import InputError
from aidx.model.safetensors.config import Config
from aidx.model.spec import Value

More = Callable[[Config], dict[str, Value]]


class Family(Struct, frozen=True):
    """How a class of transformers becomes the GGUF architecture *gguf*.

    *more* gives keys below the architecture beside the common ones. *tied*: an output projection in the
    checkpoint is left out. *cuts*: rows of the embedding beyond the vocabulary are left out.
    """

    gguf: str
    more: More
    defaults: Mapping[str, int] = field(default_factory=dict)
    tied: bool = False
    cuts: bool = False


def _plain(_: Config) -> dict[str, Value]:
    return {}


def _rotary(config: Config) -> dict[str, Value]:
    """Llama and SmolLM 3 state how much of a head turns: all of it."""
    return {"rope.dimension_count": _head(config)}


def _mixtral(config: Config) -> dict[str, Value]:
    return {**_rotary(config), "expert_count": config.integer("num_local_experts"), **_used(config)}


def _qwen3moe(config: Config) -> dict[str, Value]:
    if config.has("mlp_only_layers") or (config.find("decoder_sparse_step") or 1) != 1:
        raise InputError(
            "config.json: blocks without experts among others are not known in this family",
            hint="Plan a GGUF file of the model.",
        )
    inner = config.integer("moe_intermediate_size")
    return {"expert_count": config.integer("num_experts"), **_used(config), "expert_feed_forward_length": inner}


def _used(config: Config) -> dict[str, Value]:
    return {"expert_used_count": config.integer("num_experts_per_tok")}


def _gemma2(config: Config) -> dict[str, Value]:
    return {"attention.sliding_window": config.integer("sliding_window")}


def _gemma3(config: Config) -> dict[str, Value]:
    period = config.find("sliding_window_pattern")
    if period not in (None, 6):
        raise InputError(
            f"config.json: sliding_window_pattern is {period}, and 6 is known", hint="Plan a GGUF file of the model."
        )
    return _gemma2(config)


def _phi3(config: Config) -> dict[str, Value]:
    """Long-context models carry two sets of rotary factors, which their attention factor announces."""
    rope = config.rope
    width, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    turning = int(rope.real("partial_rotary_factor", 1.0) * width) // heads
    found: dict[str, Value] = {"rope.dimension_count": turning}
    trained = rope.find("original_max_position_embeddings")
    if not rope.has("long_factor"):
        return found
    if not trained or trained < 2:
        raise InputError("config.json lacks original_max_position_embeddings", hint="Plan a GGUF file of the model.")
    scale = config.integer("max_position_embeddings") / trained
    factor = sqrt(1 + log(scale) / log(trained)) if scale > 1 else 1.0
    return {**found, "rope.scaling.original_context_length": trained, "rope.scaling.attn_factor": factor}


def _head(config: Config) -> int:
    return config.find("head_dim") or config.integer("hidden_size") // config.integer("num_attention_heads")


_GEMMA3: Final = MappingProxyType(
    {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "vocab_size": 262_144,  # what its tokenizer has; 64 more rows of the embedding are padding and cut
    }
)
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "LlamaForCausalLM": Family("llama", _rotary),
        "MistralForCausalLM": Family("llama", _rotary),
        "MixtralForCausalLM": Family("llama", _mixtral),
        "Qwen2ForCausalLM": Family("qwen2", _plain),
        "Qwen3ForCausalLM": Family("qwen3", _plain),
        "Qwen3MoeForCausalLM": Family("qwen3moe", _qwen3moe),
        "Gemma2ForCausalLM": Family("gemma2", _gemma2, {"head_dim": 256}, tied=True),
        "Gemma3ForCausalLM": Family("gemma3", _gemma3, _GEMMA3, tied=True, cuts=True),
        "Gemma3ForConditionalGeneration": Family("gemma3", _gemma3, _GEMMA3, tied=True, cuts=True),
        "Phi3ForCausalLM": Family("phi3", _phi3),
        "SmolLM3ForCausalLM": Family("smollm3", _rotary),
    }
)


def metadata(config: Config, family: Family) -> dict[str, Value]:
    """GGUF metadata without the tokenizer; raises ``InputError`` that names a missing key."""
    of = config.with_defaults(family.defaults)
    heads = of.integer("num_attention_heads")
    if not heads:
        raise InputError("config.json: num_attention_heads is 0", hint="Download config.json again.")
    found: dict[str, Value] = {
        "block_count": of.integer("num_hidden_layers"),
        "context_length": of.integer("max_position_embeddings"),
        "embedding_length": of.integer("hidden_size"),
        "vocab_size": of.integer("vocab_size"),
        "attention.layer_norm_rms_epsilon": of.real("rms_norm_eps", 1e-6),
        "attention.head_count": heads,
        "attention.head_count_kv": of.find("num_key_value_heads") or heads,
        "feed_forward_length": of.integer("intermediate_size"),
    }
    if (length := of.find("head_dim")) is not None:
        found |= {"attention.key_length": length, "attention.value_length": length}
    found |= family.more(of)
    return {"general.architecture": family.gguf, **{f"{family.gguf}.{key}": value for key, value in found.items()}}
