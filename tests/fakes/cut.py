"""A block out of aidx-tiny, 32 rows of each matrix: real weights, and few enough to quantize them to every type.

No engine would run it; a quantizer reads names, shapes and rows, and each row stands for itself.
"""

from array import array
from pathlib import Path

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import lay_out, render
from aidx.model.tensor import Tensor

ROWS = 32


def cut_model(place: Path) -> Path:
    """Write it into the folder *place*."""
    header = read_header(shipped.path(), keep_tokenizer=True).header
    raw = Path(shipped.path()).read_bytes()
    kept, data = [], []
    for tensor in header.tensors:
        if tensor.name.startswith("blk.") and not tensor.name.startswith("blk.0."):
            continue
        shape = (tensor.shape[0], ROWS) if len(tensor.shape) > 1 else tensor.shape
        smaller = Tensor(tensor.name, shape, tensor.type)
        kept.append(smaller)
        start = header.size + tensor.offset
        data.append(raw[start : start + smaller.bytes])
    laid = lay_out(kept)
    metadata = {key: value for key, value in header.metadata.items() if not key.startswith("tokenizer.")}
    head = render({**metadata, "llama.block_count": 1}, laid, kinds=header.kinds)
    body = bytearray(laid[-1].offset + laid[-1].bytes)
    for tensor, piece in zip(laid, data, strict=True):
        body[tensor.offset : tensor.offset + len(piece)] = piece
    target = place / "cut.gguf"
    target.write_bytes(head + bytes(body))
    return target


def importances(path: Path) -> dict[str, "array[float]"]:
    """Weights of columns: that of column *j* of the *i*-th matrix by name is ((31 i + 17 j) % 97 + 1) / 64."""
    matrices = sorted((t for t in read_header(str(path)).header.tensors if len(t.shape) > 1), key=lambda t: t.name)
    return {
        tensor.name: array("f", (((31 * index + 17 * column) % 97 + 1) / 64 for column in range(tensor.shape[0])))
        for index, tensor in enumerate(matrices)
    }


def other_words(place: Path) -> Path:
    """aidx-tiny with two of its words exchanged: the same sizes, and another vocabulary."""
    raw = Path(shipped.path()).read_bytes()
    one, other = (len(word).to_bytes(8, "little") + word for word in (b"def", b"for"))
    assert raw.count(one) >= 1
    assert raw.count(other) >= 1
    target = place / "other.gguf"
    target.write_bytes(raw.replace(one, b"\0" * len(one)).replace(other, one).replace(b"\0" * len(one), other, 1))
    return target
