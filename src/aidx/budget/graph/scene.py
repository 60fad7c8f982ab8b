"""What the parts of a graph share while it is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aidx.budget.arena import Graph, Id
from aidx.budget.geometry import Block, Geometry
from aidx.budget.settings import Settings

F32 = 4


@dataclass(frozen=True, slots=True)
class Away:
    """What a GPU fetches from the host when it needs it, and forgets again.

    *weights*: bytes by block and name; *blocks*: those that are on the host whole, with K and V.
    """

    weights: Mapping[tuple[int, str], int]
    blocks: frozenset[int]


NOTHING_AWAY = Away(weights=MappingProxyType({}), blocks=frozenset())


@dataclass(frozen=True, slots=True)
class Cache:
    """The inputs that belong to one KV cache; ``None`` where the graph has none of the kind.

    There are rotations for quantized types only, and no *values* where V is a view of K. A model with sliding
    windows has two caches, each with its own inputs.
    """

    key_rotation: Id | None
    value_rotation: Id | None
    keys: Id | None
    values: Id | None
    mask: Id | None


@dataclass(frozen=True, slots=True)
class Scene:
    """One batch of *tokens* in *sequences*; *caches* by whether the block has a window.

    *copies* says whether flash attention keeps f16 copies of a cache that is not f16 (CUDA). *states* is the
    input that picks recurrent states, where there are any. *away* is what lies on the host while the work is
    done on a GPU.
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

    def product(self, block: Block, name: str, *inputs: Id, width: int | None = None) -> Id:
        """*inputs* times the matrix *name* of *block*; as wide as its rows, or *width* where that differs."""
        rows = block.rows(name) if width is None else width
        size = self.away.weights.get((block.number, name), 0)
        return self.add(rows, *inputs, self.graph.add(size)) if size else self.add(rows, *inputs)

    def add(self, width: int, *inputs: Id) -> Id:
        """A new tensor of *width* f32 a token."""
        return self.graph.add(F32 * width * self.tokens, *inputs)

    def norm(self, source: Id) -> Id:
        """A normalized copy of *source*, scaled by weights in place."""
        return self.graph.within(self.graph.add(self.graph.nodes[source].size, source))

    def norm_in_place(self, source: Id) -> Id:
        """*source* normalized and scaled where it stands."""
        return self.graph.within(self.graph.within(source))

    def store(self, block: Block, value: Id, place: Id | None) -> None:
        """Write *value* of *block* to its *place* in a cache; one on the host looks that up itself."""
        places = () if place is None or block.number in self.away.blocks else (place,)
        self.graph.add(0, value, *places)
