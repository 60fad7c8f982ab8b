"""What the parts of a graph share while it is built."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from aidx.budget.arena import NOT_BY_WEIGHTS, Graph, Id
from aidx.budget.geometry import Block, Geometry
from aidx.budget.settings import Settings

F32 = 4


class Spread(Struct, frozen=True):
    """Where the parts of a model lie that lies on several devices.

    *blocks*: the device of each block with its K and V or states; *weights*: device and bytes by block (-1: none) and
    name, as many bytes as a GPU takes that fetches them; *gpus* in order; *copies* is how many of each input they keep
    to work at the same time.
    """

    gpus: tuple[str, ...]
    blocks: tuple[str, ...]
    weights: Mapping[tuple[int, str], tuple[str, int]]
    copies: int = 1


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
    input that picks recurrent states, where there are any. *widest* are the elements of V a token in every block where
    V is transposed, else 0. *spread* says what lies where, unless all is in one place;
    *factors* is what all rotations on a device share, *picked* are states by block that were picked before their time;
    what is *waiting* is picked as soon as a block has stored its own.
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
    widest: int
    spread: Spread | None = None
    factors: Mapping[str, Id] = field(default_factory=dict)
    picked: dict[int, Id] = field(default_factory=dict)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def home(self, block: Block) -> str | None:
        """Where *block* lies, if not all is in one place."""
        return None if self.spread is None else self.spread.blocks[block.number]

    def weight(self, block: Block, name: str) -> tuple[Id, ...]:
        """The weight called *name* of *block* where it has a place of its own, else nothing."""
        return self._placed(block.number, name)

    def shared(self, name: str) -> tuple[Id, ...]:
        """The weight called *name*, which belongs to no block."""
        return self._placed(-1, name)

    def _placed(self, number: int, name: str) -> tuple[Id, ...]:
        if self.spread is None or (number, name) not in self.spread.weights:
            return ()
        side, size = self.spread.weights[number, name]
        return (self.graph.stored(size, side, weight=True),)

    def turned(self, block: Block, width: int, source: Id) -> Id:
        """A copy of *source*, *width* f32 a token, turned by positions."""
        return self.graph.over(F32 * width * self.tokens, source, *self._turning(block), rows=NOT_BY_WEIGHTS)

    def turned_in_place(self, block: Block, source: Id) -> Id:
        """*source* turned by positions where it stands."""
        return self.graph.within(source, *self._turning(block), rows=NOT_BY_WEIGHTS)

    def _turning(self, block: Block) -> tuple[Id, ...]:
        """What a rotation by position needs beside what is rotated."""
        scaled = self.geo.architecture != "gemma4" or block.reads.window is None
        factors = self.factors.get(self.home(block) or "")
        return (self.positions,) if factors is None or not scaled else (self.positions, factors)

    def product(self, block: Block, name: str, *inputs: Id, width: int | None = None, beside: int = 1) -> Id:
        """*inputs* times the matrix *name* of *block*; as wide as its rows, or *width* where that differs.

        The tokens of *beside* sequences lie side by side, not in one another's rows.
        """
        size = F32 * (block.rows(name) if width is None else width) * self.tokens
        return self.graph.add(size, *self.weight(block, name), *inputs, rows=self.tokens // beside)

    def add(self, width: int, *inputs: Id) -> Id:
        """A new tensor of *width* f32 a token; a row a token."""
        return self.graph.add(F32 * width * self.tokens, *inputs, rows=self.tokens)

    def over(self, width: int, shown: Id, *others: Id, rows: int = 1) -> Id:
        """A tensor of *width* f32 a token over *shown*, a view of something; *rows* a token."""
        return self.graph.over(F32 * width * self.tokens, shown, *others, rows=rows * self.tokens)

    def within(self, target: Id, *others: Id, rows: int = 1) -> Id:
        """*target* and *others* taken together where *target* stands; *rows* a token."""
        return self.graph.within(target, *others, rows=rows * self.tokens)

    def norm(self, source: Id, *weights: Id) -> Id:
        """A normalized copy of *source*, scaled by *weights* in place."""
        return self.within(self.graph.add(self.graph.nodes[source].size, source), *weights)

    def norm_in_place(self, source: Id, *weights: Id) -> Id:
        """*source* normalized and scaled by *weights* where it stands."""
        return self.within(self.graph.within(source), *weights)

    def store(self, block: Block, value: Id, place: Id | None) -> None:
        """Write *value* of *block* to its *place* in a cache, where that lies."""
        places = () if place is None else (place,)
        self.graph.add(0, value, *places, side=self.home(block))

    def part(self, size: int, source: Id) -> Id:
        """*size* bytes of *source*, as they are copied where they are needed elsewhere."""
        return source if self.spread is None else self.graph.view(size, source)

    def columns(self, width: int, source: Id) -> Id:
        """*width* f32 of each token's row of *source*: as a copy, all from the first to the last."""
        row = self.graph.nodes[source].size // self.tokens
        return self.part((self.tokens - 1) * row + F32 * width, source)
