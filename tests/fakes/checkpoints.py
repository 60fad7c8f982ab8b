"""Checkpoints as transformers saves them: tensor names and shapes by its own modules, not by ours."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Shapes = dict[str, tuple[int, ...]]
BYTES = {"BF16": 2, "F16": 2, "F32": 4}


def shapes(config: Mapping[str, Any], prefix: str = "model.") -> Shapes:
    """The tensors of a model of *config*; families differ where their modeling files differ."""
    kind = config["architectures"][0]
    width, vocab = config["hidden_size"], config.get("vocab_size", 262_208)
    found: Shapes = {f"{prefix}embed_tokens.weight": (vocab, width), f"{prefix}norm.weight": (width,)}
    for number in range(config["num_hidden_layers"]):
        block = f"{prefix}layers.{number}."
        norms = ["input_layernorm", "post_attention_layernorm"]
        if kind.startswith("Gemma"):
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        found |= {f"{block}{name}.weight": (width,) for name in norms}
        found |= _attention(config, kind, f"{block}self_attn.")
        found |= _feed_forward(config, kind, block)
    if not config.get("tie_word_embeddings"):
        found["lm_head.weight"] = (vocab, width)
    return found


def _attention(config: Mapping[str, Any], kind: str, at: str) -> Shapes:
    width, heads = config["hidden_size"], config.get("num_attention_heads", 8)
    kv = config.get("num_key_value_heads", 4 if kind.startswith("Gemma3") else heads)
    size = config.get("head_dim") or (256 if kind.startswith("Gemma") else width // heads)
    found = {f"{at}o_proj.weight": (width, heads * size)}
    if kind == "Phi3ForCausalLM":
        return {**found, f"{at}qkv_proj.weight": ((heads + 2 * kv) * size, width)}
    for name, count in (("q", heads), ("k", kv), ("v", kv)):
        found[f"{at}{name}_proj.weight"] = (count * size, width)
        if kind == "Qwen2ForCausalLM":
            found[f"{at}{name}_proj.bias"] = (count * size,)
    if kind.startswith(("Qwen3", "Gemma3")):
        found |= {f"{at}q_norm.weight": (size,), f"{at}k_norm.weight": (size,)}
    return found


def _feed_forward(config: Mapping[str, Any], kind: str, block: str) -> Shapes:
    width, inner = config["hidden_size"], config["intermediate_size"]
    if kind == "Phi3ForCausalLM":
        return {f"{block}mlp.gate_up_proj.weight": (2 * inner, width), f"{block}mlp.down_proj.weight": (width, inner)}
    if kind == "MixtralForCausalLM":
        at, count = f"{block}block_sparse_moe.", config["num_local_experts"]
        return {f"{at}gate.weight": (count, width)} | {
            f"{at}experts.{number}.{name}.weight": (width, inner) if name == "w2" else (inner, width)
            for number in range(count)
            for name in ("w1", "w2", "w3")
        }
    if kind == "Qwen3MoeForCausalLM":
        at, count, inner = f"{block}mlp.", config["num_experts"], config["moe_intermediate_size"]
        found = {f"{at}gate.weight": (count, width)}
        for number in range(count):
            found |= _gated(f"{at}experts.{number}.", width, inner)
        return found
    return _gated(f"{block}mlp.", width, inner)


def _gated(at: str, width: int, inner: int) -> Shapes:
    return {
        f"{at}gate_proj.weight": (inner, width),
        f"{at}up_proj.weight": (inner, width),
        f"{at}down_proj.weight": (width, inner),
    }


def header(found: Mapping[str, tuple[int, ...]], dtype: str = "BF16") -> tuple[bytes, int]:
    """The header of a safetensors file of *found*, and the bytes of the whole file."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    here = 0
    for name, shape in found.items():
        size = BYTES[dtype]
        for each in shape:
            size *= each
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [here, here + size]}
        here += size
    raw = json.dumps(table).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw, 8 + len(raw) + here


def save(
    folder: Path, config: Mapping[str, Any], found: Shapes | None = None, *, dtype: str = "BF16", shards: int = 1
) -> Path:
    """Write the checkpoint of *config* with holes for data; in *shards* files with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = list((shapes(config) if found is None else found).items())
    if shards == 1:
        _sparse(folder / "model.safetensors", dict(tensors), dtype)
        return folder
    weight_map, total = {}, 0
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(tensors[number::shards])
        total += _sparse(folder / name, part, dtype)
        weight_map |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def _sparse(path: Path, found: Shapes, dtype: str) -> int:
    head, size = header(found, dtype)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return size - len(head)


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 1024,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "torch_dtype": "bfloat16",
}
"""A small one."""
