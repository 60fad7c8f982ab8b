"""Crafted GGUF headers for tests: written byte by byte, apart from the code under test.

``Craft`` remembers where each field starts, so that a test can say at which byte a refusal points.
"""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
LETTERS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
F32_TYPE, F16_TYPE, Q4_0_TYPE, Q8_0_TYPE, Q4_K_TYPE, Q6_K_TYPE = 0, 1, 2, 8, 12, 14


def text(value: str | bytes, *, length: int | None = None) -> bytes:
    """A string; *length* lies about it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw) if length is None else length) + raw


@dataclass
class Craft:
    """A header in the making; the counts in front can lie."""

    version: int = 3
    magic: bytes = b"GGUF"
    tensor_count: int | None = None
    pair_count: int | None = None
    pairs: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)

    def pair(self, key: str | bytes, kind: int, value: float | str | bytes) -> "Craft":
        """Add a scalar or string; *bytes* as the value of a scalar are written as they are."""
        if kind == STRING:
            raw = text(value)
        else:
            raw = value if isinstance(value, bytes) else struct.pack(f"<{LETTERS[kind]}", value)
        return self.raw_pair(key, kind, raw)

    def raw_pair(self, key: str | bytes, kind: int, raw: bytes) -> "Craft":
        self.pairs.append(text(key) + struct.pack("<I", kind) + raw)
        return self

    def array(self, key: str, kind: int, items: Sequence, *, count: int | None = None) -> "Craft":
        """Add an array; *count* lies about it."""
        packed = map(text, items) if kind == STRING else (struct.pack(f"<{LETTERS[kind]}", item) for item in items)
        raw = b"".join(packed)
        head = struct.pack("<IQ", kind, len(items) if count is None else count)
        return self.raw_pair(key, ARRAY, head + raw)

    def tensor(self, name: str | bytes, shape: Sequence[int], kind: int = F32_TYPE, offset: int = 0) -> "Craft":
        self.tensors.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
        return self

    @property
    def head(self) -> bytes:
        tensor_count = len(self.tensors) if self.tensor_count is None else self.tensor_count
        pair_count = len(self.pairs) if self.pair_count is None else self.pair_count
        return self.magic + struct.pack("<IQQ", self.version, tensor_count, pair_count)

    def at_pair(self, index: int) -> int:
        """The byte at which the key of pair *index* starts."""
        return len(self.head) + sum(map(len, self.pairs[:index]))

    def at_tensor(self, index: int) -> int:
        """The byte at which the name of tensor *index* starts."""
        return self.at_pair(len(self.pairs)) + sum(map(len, self.tensors[:index]))

    def header(self) -> bytes:
        """The header without padding."""
        return self.head + b"".join(self.pairs) + b"".join(self.tensors)

    def file(self, data: int = 0, alignment: int = 32) -> bytes:
        """The header, padded, and *data* bytes of zeros."""
        raw = self.header()
        return raw.ljust(-(-len(raw) // alignment) * alignment, b"\0") + bytes(data)


def plain() -> bytes:
    """A small model: one value of each kind, three tensors, 3,200 bytes of data."""
    craft = Craft().pair("general.architecture", STRING, "llama").pair("general.name", STRING, "größer")
    for kind, value in ((U8, 255), (I8, -3), (U16, 7), (I16, -7), (U32, 2048), (I32, -1), (F32, 0.5)):
        craft.pair(f"llama.value_{kind}", kind, value)
    craft.pair("llama.flag", BOOL, 1).pair("llama.big", U64, 2**63).pair("llama.low", I64, -(2**63))
    craft.pair("llama.eps", F64, 1e-5)
    craft.tensor("token_embd.weight", (32, 16), F32_TYPE, 0)
    craft.tensor("blk.0.attn_norm.weight", (32,), F32_TYPE, 2048)
    craft.tensor("blk.0.ffn_down.weight", (32, 32), F32_TYPE, 2176)
    return craft.file(2176 + 4096)


def with_arrays() -> bytes:
    """Arrays of every kind, kept and skipped ones, an alignment of 64."""
    craft = Craft().pair("general.alignment", U32, 64).pair("general.architecture", STRING, "gemma3")
    for kind in LETTERS:
        craft.array(f"gemma3.items_{kind}", kind, [0, 1, 1])
    craft.array("gemma3.attention.head_count_kv", I32, [4, 4, 0, 4]).array("general.tags", STRING, ["a", "", "code"])
    craft.array("tokenizer.ggml.tokens", STRING, [f"t{number}" for number in range(12)])
    craft.array("tokenizer.ggml.scores", F32, [-1.0] * 12).array("tokenizer.ggml.token_type", I32, [1] * 12)
    craft.pair("tokenizer.ggml.bos_token_id", U32, 1)
    craft.tensor("output.weight", (32, 12), Q8_0_TYPE, 0)
    return craft.file(448, 64)


def split_part() -> bytes:
    """The second of three parts."""
    craft = Craft().pair("split.no", U16, 1).pair("split.count", U16, 3).pair("split.tensors.count", I32, 5)
    craft.tensor("blk.1.ffn_up.weight", (64, 4), Q4_0_TYPE, 0).tensor("blk.1.ffn_norm.weight", (64,), F32_TYPE, 160)
    return craft.file(160 + 256)


def experts() -> bytes:
    """Tensors of three dimensions and super-blocks, as mixtures of experts have them."""
    craft = Craft(version=2).pair("general.architecture", STRING, "qwen3moe")
    craft.pair("qwen3moe.expert_count", U32, 8).pair("qwen3moe.expert_used_count", U32, 2)
    craft.tensor("blk.0.ffn_gate_exps.weight", (256, 4, 8), Q4_K_TYPE, 0)
    craft.tensor("blk.0.ffn_down_exps.weight", (256, 2, 8), Q6_K_TYPE, 4608)
    craft.tensor("blk.0.ffn_gate_inp.weight", (256, 8), F16_TYPE, 7968)
    return craft.file(7968 + 4096)


SEEDS = (plain, with_arrays, split_part, experts)
_LENGTHS = (
    *(0, 1, 7, 8, 9, 63, 64, 255, 256, 65_535, 65_536, 2**20, 2**24 + 1),
    *(2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1),
)


def mutated(raw: bytes, head: int, dice: random.Random) -> bytes:
    """Return *raw* with one to four changes in its first *head* bytes: what a fuzzer does."""
    data = bytearray(raw)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        place = int(dice.random() * min(head, len(data)))
        change = int(dice.random() * 7)
        if change == 0:
            data[place] ^= 1 << int(dice.random() * 8)
        elif change == 1:
            data[place] = int(dice.random() * 256)
        elif change == 2:
            data[place : place + 8] = struct.pack("<Q", dice.choice(_LENGTHS))
        elif change == 3:
            data[place : place + 4] = struct.pack("<I", dice.choice(_LENGTHS) & 0xFFFFFFFF)
        elif change == 4:
            other = int(dice.random() * min(head, len(data)))
            data[place:place] = data[other : other + int(dice.random() * 40)]
        elif change == 5:
            del data[place : place + int(dice.random() * 20)]
        else:
            del data[place:]
    return bytes(data)
