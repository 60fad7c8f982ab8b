"""What the parts of a graph share while it is built."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from aidx.budget.arena import Graph, Id
from aidx.budget.geometry import Block, Geometry
from aidx.budget.settings import Settings

F32 = 4


class Away(Struct, frozen=True):
    """What a GPU fetches from the host when it needs it, and forgets again.

    *weights*: bytes by block (-1: none) and name; *blocks*: those that are on the host whole, with K and V.
    """

    weights: Mapping[tuple[int, str], int]
    blocks: frozenset[int]


NOTHING_AWAY = Away(weights=MappingProxyType({}), blocks=frozenset())


class Cache(Struct, frozen=True):
    """The inputs that belong to one KV cache; ``None`` where the graph has none of the kind.

    There are rotations for quantized types only, and no *values* where V is a view of K. A model with sliding
    windows has two caches, each with its own inputs.
    """

    key_rotation: Id | None
    value_rotation: Id | None
    keys: Id | None
    values: Id | None
    mask: Id | None


class Scene(Struct, frozen=True):
    """One batch of *tokens* in *sequences*; *caches* by whether the block has a window.

    *copies* says whether flash attention keeps f16 copies of a cache that is not f16 (CUDA). *states* is the
    input that picks recurrent states, where there are any. *away* is what lies on the host while the work is
    done on a GPU; *factors* is the part of it that all rotations share.
    """

    graph: Graph
    geo: Geometry
    settings: Settings
    tokens: int
    sequences: int
    copies: bool
    positions: Id
    states: Id | None
    caches: dict[bool, Cache]
    away: Away = NOTHING_AWAY
    factors: Id | None = None

    def weight(self, block: Block, name: str) -> tuple[Id, ...]:
        """The weight called *name* of *block* where it is fetched, else nothing."""
        size = self.away.weights.get((block.number, name), 0)
        return (self.graph.stored(size, weight=True),) if size else ()

    def shared(self, name: str) -> tuple[Id, ...]:
        """The weight called *name*, which belongs to no block, where it is fetched."""
        size = self.away.weights.get((-1, name), 0)
        return (self.graph.stored(size, weight=True),) if size else ()

    def turning(self, block: Block) -> tuple[Id, ...]:
        """What a rotation by position needs beside what is rotated."""
        scaled = self.geo.architecture != "gemma4" or block.reads.window is None
        if self.factors is None or block.number not in self.away.blocks or not scaled:
            return (self.positions,)
        return self.positions, self.factors

    def product(self, block: Block, name: str, *inputs: Id, width: int | None = None) -> Id:
        """*inputs* times the matrix *name* of *block*; as wide as its rows, or *width* where that differs."""
        rows = block.rows(name) if width is None else width
        return self.add(rows, *self.weight(block, name), *inputs)

    def add(self, width: int, *inputs: Id) -> Id:
        """A new tensor of *width* f32 a token."""
        return self.graph.add(F32 * width * self.tokens, *inputs)

    def norm(self, source: Id, *weights: Id) -> Id:
        """A normalized copy of *source*, scaled by *weights* in place."""
        return self.graph.within(self.graph.add(self.graph.nodes[source].size, source), *weights)

    def norm_in_place(self, source: Id, *weights: Id) -> Id:
        """*source* normalized and scaled by *weights* where it stands."""
        return self.graph.within(self.graph.within(source), *weights)

    def store(self, block: Block, value: Id, place: Id | None) -> None:
        """Write *value* of *block* to its *place* in a cache, where that lies."""
        places = () if place is None else (place,)
        self.graph.add(0, value, *places, host=block.number in self.away.blocks)
