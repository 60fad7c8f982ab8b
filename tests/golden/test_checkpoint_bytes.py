"""Checkpoints planned as their conversion, against the engine's own bytes and the makers' own counts of weights.

Configurations are those of the published ``config.json`` files. Bytes: the pinned engine's model buffers for the
same models (``tests/golden/arch``). Weights: as the hub counts them on the models' pages.
"""

import json
from pathlib import Path

import pytest
from tests.fakes.checkpoints import shapes

from aidx.model import arch
from aidx.model.blueprint import from_blanks
from aidx.model.safetensors.config import Config
from aidx.model.safetensors.convert import convert
from aidx.model.safetensors.header import Weight

LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "original_max_position_embeddings": 8192}
LONG = {"type": "longrope", "long_factor": [1.0] * 48, "short_factor": [1.0] * 48}


def config(kind, *sizes, **more):
    """*sizes*: blocks, width, heads, KV heads, inner width, vocabulary, context."""
    layers, width, heads, kv, inner, vocab, context = sizes
    return {
        "architectures": [kind],
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": inner,
        "vocab_size": vocab,
        "max_position_embeddings": context,
    } | more


CONFIGS = {
    "llama-3.2-1b": config(
        *("LlamaForCausalLM", 16, 2048, 32, 8, 8192, 128256, 131072),
        head_dim=64,
        tie_word_embeddings=True,
        rope_scaling=LLAMA3,
    ),
    "codestral-22b": config("MistralForCausalLM", 56, 6144, 48, 8, 16384, 32768, 32768, sliding_window=None),
    "qwen2.5-coder-0.5b": config(
        "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 32768, tie_word_embeddings=True, use_sliding_window=False
    ),
    "qwen2.5-coder-14b": config("Qwen2ForCausalLM", 48, 5120, 40, 8, 13824, 152064, 32768, sliding_window=131072),
    "qwen3-0.6b": config(
        "Qwen3ForCausalLM", 28, 1024, 16, 8, 3072, 151936, 40960, head_dim=128, tie_word_embeddings=True
    ),
    "qwen3-30b-a3b": config(
        *("Qwen3MoeForCausalLM", 48, 2048, 32, 4, 6144, 151936, 40960),
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        mlp_only_layers=[],
        decoder_sparse_step=1,
    ),
    "gemma-2-9b": config(
        *("Gemma2ForCausalLM", 42, 3584, 16, 8, 14336, 256000, 8192),
        head_dim=256,
        sliding_window=4096,
        tie_word_embeddings=True,
    ),
    "gemma-3-12b": config(
        *("Gemma3ForCausalLM", 48, 3840, 16, 8, 15360, 262144, 131072),
        head_dim=256,
        sliding_window=1024,
        tie_word_embeddings=True,
    ),
    "phi-3.5-mini": config(
        *("Phi3ForCausalLM", 32, 3072, 32, 32, 8192, 32064, 131072),
        original_max_position_embeddings=4096,
        rope_scaling=LONG,
        sliding_window=262144,
    ),
    "phi-4-14b": config(
        *("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 100352, 16384), rope_scaling=None, sliding_window=None
    ),
    "smollm3-3b": config("SmolLM3ForCausalLM", 36, 2048, 16, 4, 11008, 128256, 65536, tie_word_embeddings=True),
}
WEIGHTS = {
    "llama-3.2-1b": 1_235_814_400,
    "codestral-22b": 22_247_282_688,
    "qwen2.5-coder-0.5b": 494_032_768,
    "qwen2.5-coder-14b": 14_770_033_664,
    "qwen3-0.6b": 596_049_920,
    "qwen3-30b-a3b": 30_532_122_624,
    "gemma-2-9b": 9_241_705_984,
    "phi-3.5-mini": 3_821_079_552,
    "phi-4-14b": 14_659_507_200,
    "smollm3-3b": 3_075_098_624,
}
ENGINE = {
    model["name"]: model
    for path in (Path(__file__).parent / "arch").glob("*.json")
    for model in json.loads(path.read_text())["models"]
}


def converted(name):
    return convert(Config(CONFIGS[name]), {key: Weight("BF16", shape) for key, shape in shapes(CONFIGS[name]).items()})


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("quant", ["F16", "Q4_K_M"])
def test_weights_are_those_that_the_engine_allocates(name, quant):
    found = converted(name)

    model = from_blanks(found.metadata, found.blanks, quant, name=name, source="safetensors")

    assert sum(tensor.bytes for tensor in model.tensors) == ENGINE[name]["weights"][quant]


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_as_many_as_their_maker_published(name):
    made = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}
    counted = from_blanks(
        converted(name).metadata,
        [blank for blank in converted(name).blanks if blank.name not in made],
        "F16",
        name=name,
        source="safetensors",
    )

    assert counted.parameters == WEIGHTS[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_what_the_blocks_keep_is_what_the_published_gguf_file_says(name):
    ours, theirs = converted(name).metadata, ENGINE[name]["metadata"]
    of = theirs["general.architecture"]

    assert ours["general.architecture"] == of
    assert arch.find(of).layers(ours) == arch.find(of).layers(theirs)
    assert ours[f"{of}.context_length"] == theirs[f"{of}.context_length"]
