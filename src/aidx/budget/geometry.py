"""The widths of each block, as the compute graph needs them, from tensor shapes and metadata.

Shapes are the most general source: they say what a block is made of whatever its family is called.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.metadata import block_count, find_int, find_ints, full_key, trunk_count
from aidx.model.spec import Layer, Metadata, ModelSpec
from aidx.model.tensor import Tensor

Shape = tuple[int, ...]
_MOST_EXPERTS = 1024  # LLAMA_MAX_EXPERTS
_FACTORS = ("rope_freqs.", "rope_factors_")
_ENOUGH = 3  # blocks of each kind after which more of them no longer move the peak of the graph
# Families that use the weights of experts as they are, and those that do so unless the file says otherwise.
_RAW = frozenset({"olmoe", "qwen2moe"})
_SAID = frozenset({"bailingmoe", "bailingmoe2", "deepseek", "deepseek2", "dots1", "exaone-moe", "glm4moe", "mistral4"})
_PLAIN_EVERY: Mapping[str, int] = {"smollm3": 4}  # every so many blocks one has no rotary positions
_PLAIN_WHOLE = frozenset({"exaone-moe"})  # only blocks with a window have rotary positions


class Block(Struct, frozen=True):
    """One block of the trunk: the shapes of its tensors without ``blk.N.`` and its query heads.

    *keeps* is what it writes, *reads* the cache that its attention looks at, which may be an earlier block's: that of
    number *source*;
    *rotary* says whether its queries and keys are turned by their positions.
    """

    number: int
    shapes: Mapping[str, Shape]
    heads: int
    keeps: Layer
    reads: Layer
    source: int
    rotary: bool

    def has(self, name: str) -> bool:
        """Whether the block has a tensor called *name*."""
        return name in self.shapes

    def rows(self, name: str) -> int:
        """Outputs of the matrix called *name*; 0 where there is none."""
        shape = self.shapes.get(name, ())
        return shape[1] if len(shape) > 1 else 0

    def length(self, name: str) -> int:
        """Elements of the vector called *name*; raises ``InputError`` where there is none."""
        if not self.shapes.get(name):
            raise InputError(
                f"block {self.number} lacks the tensor {name}",
                hint="Convert the model again or fetch the file again; its header is damaged.",
            )
        return self.shapes[name][0]

    @property
    def recurrent(self) -> bool:
        """Whether the block keeps a state instead of K and V."""
        return bool(self.keeps.conv_state or self.keeps.recurrent_state)


class Geometry(Struct, frozen=True):
    """The whole model.

    *blocks*: as many as it takes to see each kind often enough, in order. *windowed*: some block has a sliding
    window; *used*: experts a token; *normalized*: their weights are made to sum up to one;
    *positions* a token: four with multimodal rotary embeddings; *extra*: width of the embeddings that blocks
    have of their own, all blocks together (Gemma 4 E models); *factors*: bytes of what rotations are scaled by.
    *every* is all blocks.
    """

    architecture: str
    embedding: int
    vocab: int
    blocks: tuple[Block, ...]
    windowed: bool
    used: int
    normalized: bool
    positions: int
    extra: int
    factors: int = 0
    every: tuple[Block, ...] = ()


def geometry(model: ModelSpec) -> Geometry:
    """Read the geometry of *model*, whose layers are known; raises ``InputError`` for damaged metadata."""
    metadata = model.header.metadata
    layers = (model.layers or ())[: trunk_count(metadata)]
    normalized = find_int(metadata, "expert_weights_norm")
    every = _blocks(model, layers)
    return Geometry(
        architecture=model.architecture,
        embedding=model.embedding_length,
        vocab=model.vocab_size,
        blocks=_telling(every),
        every=every,
        factors=max((tensor.bytes for tensor in model.tensors if tensor.name.startswith(_FACTORS)), default=0),
        windowed=any(layer.window is not None for layer in layers),
        used=_used(metadata),
        normalized=model.architecture not in _RAW and (bool(normalized) or model.architecture not in _SAID),
        positions=4 if full_key(metadata, "rope.dimension_sections") in metadata else 1,
        extra=(find_int(metadata, "embedding_length_per_layer_input") or 0) * len(layers),
    )


def _used(metadata: Metadata) -> int:
    """Experts a token; a damaged number would make an endless graph."""
    used = max(find_ints(metadata, "expert_used_count", block_count(metadata)) or (0,))
    if used > _MOST_EXPERTS:
        raise InputError(
            f"{full_key(metadata, 'expert_used_count')} is {used}, above {_MOST_EXPERTS}",
            hint="Convert the model again or fetch the file again; its header is damaged.",
        )
    return used


def _telling(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """*blocks* without whole periods in the middle: what is left begins, alternates and ends as all of them do."""
    kinds = [
        hash((tuple(block.shapes.items()), block.heads, block.keeps, block.reads, block.rotary))
        for block in blocks[:-1]
    ]
    start = _introduced(kinds)
    for period in range(1, start + 1):
        if kinds[start - period : len(kinds) - period] == kinds[start:]:
            dropped = (len(kinds) - start) // period * period
            return (*blocks[:start], *blocks[start + dropped :])
    return blocks


def _introduced(kinds: list[int]) -> int:
    """The number of first blocks among which each kind was seen `_ENOUGH` times, or as often as it is there."""
    missing = {kind: min(count, _ENOUGH) for kind, count in Counter(kinds).items()}
    for number, kind in enumerate(kinds):
        if not any(missing.values()):
            return number
        missing[kind] -= missing[kind] > 0
    return len(kinds)


def _blocks(model: ModelSpec, layers: tuple[Layer, ...]) -> tuple[Block, ...]:
    count = model.block_count
    heads = find_ints(model.header.metadata, "attention.head_count", count) or (0,) * count
    every, plain = _PLAIN_EVERY.get(model.architecture), model.architecture in _PLAIN_WHOLE
    shapes: list[dict[str, Shape]] = [{} for _ in layers]
    for tensor in model.tensors:
        _file(tensor, shapes)
    return tuple(
        Block(
            number=number,
            shapes=shapes[number],
            heads=heads[number],
            keeps=layer,
            reads=layers[_source(number, layers, shapes)],
            source=_source(number, layers, shapes),
            rotary=(every is None or (number + 1) % every != 0) and (layer.window is not None or not plain),
        )
        for number, layer in enumerate(layers)
    )


def _file(tensor: Tensor, shapes: list[dict[str, Shape]]) -> None:
    number = tensor.layer
    if number is not None and number < len(shapes):
        shapes[number][tensor.name.split(".", 2)[2]] = tensor.shape


def _source(number: int, layers: tuple[Layer, ...], shapes: list[dict[str, Shape]]) -> int:
    """A block with queries and no cache reads the last one before it that slides, or does not, as it does."""
    if layers[number].kv_heads or "attn_q.weight" not in shapes[number]:
        return number
    window = layers[number].window
    earlier = (n for n in range(number, -1, -1) if layers[n].kv_heads and layers[n].window == window)
    return next(earlier, number)
