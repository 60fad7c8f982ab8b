"""The model that ships as a folder of Hugging Face's, which vLLM and transformers load: ``python … FOLDER``.

Weights as they are in the file, under the names and with the rotary pairs that checkpoints have.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from numpy.typing import NDArray

from aidx.adapters.stores import shipped

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TYPES = {"float16": "F16", "float32": "F32"}
CONTROL = 3
DIGIT_RUNS = r"\p{N}+"
SPLIT = {"type": "Split", "pattern": {"Regex": DIGIT_RUNS}, "behavior": "Isolated", "invert": False}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


class Source:
    """The GGUF file and what it says."""

    def __init__(self, path: str) -> None:
        self.reader = GGUFReader(path)

    def __getitem__(self, key: str) -> Any:
        return self.reader.fields[key].contents()


def config(source: Source) -> dict[str, Any]:
    """``config.json`` of a Llama."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float16",
        "hidden_act": "silu",
        "hidden_size": source["llama.embedding_length"],
        "intermediate_size": source["llama.feed_forward_length"],
        "num_hidden_layers": source["llama.block_count"],
        "num_attention_heads": source["llama.attention.head_count"],
        "num_key_value_heads": source["llama.attention.head_count_kv"],
        "head_dim": source["llama.attention.key_length"],
        "max_position_embeddings": source["llama.context_length"],
        "rms_norm_eps": source["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": source["llama.rope.freq_base"],
        "vocab_size": source["llama.vocab_size"],
        "bos_token_id": source["tokenizer.ggml.bos_token_id"],
        "eos_token_id": source["tokenizer.ggml.eos_token_id"],
        "pad_token_id": source["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    }


def tokenizer(source: Source) -> dict[str, Any]:
    """``tokenizer.json``: byte-level BPE, cut at runs of digits."""
    words, kinds = source["tokenizer.ggml.tokens"], source["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = [{"id": n, "content": word, **flags} for n, word in enumerate(words) if kinds[n] == CONTROL]
    return {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTES]},
        "decoder": BYTES,
        "model": {
            "type": "BPE",
            "vocab": {word: number for number, word in enumerate(words)},
            "merges": source["tokenizer.ggml.merges"],
        },
    }


def settings(source: Source) -> dict[str, Any]:
    """``tokenizer_config.json``: the template, and which tokens end what."""
    words = source["tokenizer.ggml.tokens"]
    named = {name: words[source[f"tokenizer.ggml.{name}_token_id"]] for name in ("bos", "eos", "padding")}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": named["bos"],
        "eos_token": named["eos"],
        "pad_token": named["padding"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": source["llama.context_length"],
        "chat_template": source["tokenizer.chat_template"],
    }


def tensors(source: Source) -> dict[str, NDArray[Any]]:
    """The weights by the names that checkpoints have."""
    heads = {"attn_q": source["llama.attention.head_count"], "attn_k": source["llama.attention.head_count_kv"]}
    found = {}
    for tensor in source.reader.tensors:
        block, name = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", tensor.name).groups()  # type: ignore[union-attr]
        weight = _halves(tensor.data, heads[name]) if name in heads else tensor.data
        found[f"{f'model.layers.{block}.' if block else ''}{NAMES[name]}.weight"] = weight
    return found


def _halves(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Take the pairs of each head apart, into its two halves."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[-1])
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3)).reshape(weight.shape)


def safetensors(weights: dict[str, NDArray[Any]]) -> bytes:
    """The file's bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, weight in weights.items():
        begin, end = end, end + weight.nbytes
        header[name] = {"dtype": TYPES[weight.dtype.name], "shape": weight.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(weight.tobytes() for weight in weights.values())


def write(folder: Path) -> None:
    """Write the folder."""
    source = Source(shipped.path())
    folder.mkdir(parents=True, exist_ok=True)
    made = {"config": config(source), "tokenizer": tokenizer(source), "tokenizer_config": settings(source)}
    for name, value in made.items():
        (folder / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors(tensors(source)))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
