"""Models that make vectors: aidx-tiny, told by its header to average its tokens, and a small BERT of random weights."""

from pathlib import Path

import gguf
import numpy as np

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import render

MEAN = 1  # llama.cpp's LLAMA_POOLING_TYPE_MEAN


def embedder(folder: Path) -> Path:
    """The file, written into *folder*."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    key = f"{header.metadata['general.architecture']}.pooling_type"
    found = folder / "embedder.gguf"
    found.write_bytes(
        render({**header.metadata, key: MEAN}, header.tensors, kinds=header.kinds) + path.read_bytes()[header.size :]
    )
    return found


WIDTH, BLOCKS, INNER, POSITIONS = 32, 2, 64, 256
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581{letter}" for letter in "abcdefghij"), "a", "b"]


def bert(folder: Path) -> Path:
    """An encoder with a WordPiece vocabulary, written as llama.cpp's converter writes one."""
    path = folder / "bert.gguf"
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(PIECES)
    writer.add_token_types([gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (len(PIECES) - 5))
    for number, add in enumerate((writer.add_pad_token_id, writer.add_unk_token_id, writer.add_bos_token_id)):
        add(number)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    writer.add_token_type_count(2)
    dice = np.random.default_rng(7)
    for name, shape in _shapes():
        values = dice.standard_normal(shape, dtype=np.float32) / 8
        writer.add_tensor(name, values + 1 if name.endswith("norm.weight") else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes() -> list[tuple[str, tuple[int, ...]]]:
    """Every tensor of the model, rows before columns."""
    both = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH)}
    both |= {"ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
    both |= {"attn_output_norm": (WIDTH,), "layer_output_norm": (WIDTH,)}
    blocks = [
        (f"blk.{block}.{name}.{kind}", shape if kind == "weight" else shape[:1])
        for block in range(BLOCKS)
        for name, shape in both.items()
        for kind in ("weight", "bias")
    ]
    tables = {"token_embd": (len(PIECES), WIDTH), "position_embd": (POSITIONS, WIDTH), "token_types": (2, WIDTH)}
    norm = [(f"token_embd_norm.{kind}", (WIDTH,)) for kind in ("weight", "bias")]
    return [*((f"{name}.weight", shape) for name, shape in tables.items()), *norm, *blocks]
