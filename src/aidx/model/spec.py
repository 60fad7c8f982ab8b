"""What the arithmetic knows about a model."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from aidx.model.tensor import Tensor

SourceName = Literal[
    "file", "catalogue", "ollama", "hf", "lmstudio", "llama.cpp", "safetensors", "url", "shipped", "cloud"
]


class Array(Struct, frozen=True):
    """A metadata array, kept as bytes until somebody asks (a tokenizer has 10^5 strings).

    *kind* is the GGUF value type number of the items, *data* their encoding in file order. *data* is
    ``None`` where the reader was told to skip it.
    """

    kind: int
    count: int
    data: bytes | None


Value = bool | int | float | str | Array
Metadata = Mapping[str, Value]


class Header(Struct, frozen=True):
    """A GGUF header: metadata and tensor infos; *size* bytes up to where tensor data begins.

    *kinds* holds the GGUF value type number of each value that is not an array: the engine insists on
    them, so a header is written again with the same ones.
    """

    metadata: Metadata
    tensors: tuple[Tensor, ...]
    size: int
    alignment: int = 32
    version: int = 3
    kinds: Mapping[str, int] = field(default_factory=dict)


class Layer(Struct, frozen=True):
    """What one block keeps for a conversation; all that the arithmetic knows about a family.

    Attention: ``kv_heads`` heads of ``key_dim`` (K) and ``value_dim`` (V) elements a token; no heads, no
    cache; ``value_dim`` 0 means that V is a view of K (MLA), of ``view_dim`` elements where the engine holds
    cache types against that. ``window`` bounds the tokens kept.
    An indexer that picks tokens for sparse attention keeps ``index_key`` elements a token in a cache of its
    own, and ``index_value`` more where the engine gives that cache a V (which nobody reads).
    Recurrent state: elements of f32 a sequence, whatever the context.
    """

    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    window: int | None = None
    conv_state: int = 0
    recurrent_state: int = 0
    index_key: int = 0
    index_value: int = 0
    view_dim: int = 0


class MeasuredLoss(Struct, frozen=True):
    """What quantizing cost this very file, measured: 95 % interval of the mean divergence, a word, and how."""

    kld_low: float
    kld_high: float
    quality: str
    source: str


class ModelSpec(Struct, frozen=True):
    """A model as it is planned.

    *layers* is ``None`` for an architecture that we do not know: then only the engine can answer.
    *block_count* counts every block, multi-token-prediction ones too; *layers* only those of the trunk.
    *header_exact* is false where the tokenizer's part of the header was estimated (a catalogue name).
    *path* is set when the file is on this machine, *measured_loss* where ``aidx loss`` measured it; *fetch* is the
    command that brings it here, where the file is elsewhere.
    """

    name: str
    source: SourceName
    architecture: str
    quantization: str
    header: Header
    layers: tuple[Layer, ...] | None
    block_count: int
    context_length: int
    embedding_length: int
    vocab_size: int
    file_bytes: int
    header_exact: bool = True
    path: str | None = None
    split_paths: tuple[str, ...] = ()
    measured_loss: MeasuredLoss | None = None
    fetch: str = ""

    @property
    def parameters(self) -> int:
        """Number of weights, from the tensors themselves."""
        return sum(tensor.elements for tensor in self.header.tensors)

    @property
    def caches(self) -> bool:
        """Whether some block keeps K and V, as far as is known: a Mamba or an RWKV keeps a state alone."""
        return self.layers is None or any(layer.kv_heads for layer in self.layers)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors in file order."""
        return self.header.tensors
