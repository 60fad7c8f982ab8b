"""Qwen 1.5 and 2 with experts: one more expert sees every token, weighed by a gate."""

from aidx.model.arch import _attention, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Metadata


def _gate(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    return (Blank(f"blk.{il}.ffn_gate_inp_shexp.weight", (read_int(metadata, "embedding_length"),), "f32"),)


NAMES = ("qwen2moe",)
layers = _attention.layers
tensors = _dense.Variant(bias=True, shared=True, besides=_gate).tensors
