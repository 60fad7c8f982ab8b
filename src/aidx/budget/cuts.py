"""A graph that lies on several devices, cut into pieces as ``ggml_backend_sched`` cuts it.

Each piece is computed on one device. What it needs from another is copied at its beginning, once for the whole
graph; the copy of a weight begins a piece of its own, so that the memory of the one before can be used again
(``ggml_backend_sched_split_graph``). All pieces go through one allocator with a buffer on each device, in order.
Where GPUs work at the same time, inputs and what is copied are kept several times over, from beginning to end.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from aidx.budget.arena import Arena, Id, Node, place
from aidx.budget.placement import HOST
from aidx.budget.sides import sides


class _Piece(Struct):
    side: str
    inputs: list[Id] = field(default_factory=list)
    nodes: list[Id] = field(default_factory=list)


def peaks(nodes: Sequence[Node], alignments: Mapping[str, int], *, copies: int = 1) -> dict[str, int]:
    """What *nodes* need on each device of *alignments*, the GPUs in order and the host.

    *copies* is how many of each input are kept.
    """
    where = sides(nodes, next(iter(alignments)))
    arenas = {device: Arena(alignment) for device, alignment in alignments.items()}
    layout = _Layout(nodes, where, copies)
    for piece in _pieces(nodes, where):
        layout.place(piece)
    _allocate(layout.laid, [arenas[side] for side in layout.where], kept=copies > 1)
    return {device: arena.peak for device, arena in arenas.items()}


def _pieces(nodes: Sequence[Node], where: Sequence[str]) -> list[_Piece]:
    found: list[_Piece] = []
    piece = _Piece("")
    copied: set[tuple[Id, str]] = set()
    for number, node in enumerate(nodes):
        if node.leaf or node.view:
            continue
        side = where[number]
        foreign = [source for source in node.inputs if where[source] != side]
        if piece.side != side or (piece.inputs and any(nodes[source].weight for source in foreign)):
            piece = _Piece(side)
            found.append(piece)
        for source in foreign:
            if (source, side) not in copied:
                copied.add((source, side))
                piece.inputs.append(source)
        piece.nodes.append(number)
    return found


class _Layout:
    """The nodes in the order in which they are allocated, with the copies between devices among them."""

    def __init__(self, nodes: Sequence[Node], where: Sequence[str], copies: int) -> None:
        self.laid: list[Node] = []
        self.where: list[str] = []
        self._nodes, self._sides, self._copies = nodes, where, copies
        self._own = [-1] * len(nodes)
        self._copied: dict[tuple[Id, str], Id] = {}
        self._base = list(range(len(nodes)))  # a view is where its source is
        for number, node in enumerate(nodes):
            if node.view:
                self._base[number] = self._base[node.inputs[0]]
            if node.leaf and not node.stored:
                for _ in range(copies):
                    self._own[number] = self._lay(node, HOST)

    def place(self, piece: _Piece) -> None:
        """Lay what *piece* takes from other devices, then what it computes."""
        for source in piece.inputs:
            node, own = self._nodes[source], self._own[self._base[source]]
            if own >= 0:  # kept until it has been copied
                self._lay(Node(0, (own,)), self._sides[source])
            for _ in range(self._copies):
                copy = self._lay(Node(node.size, leaf=self._copies > 1), piece.side)
            self._copied[source, piece.side] = copy
        nodes, side = self._nodes, piece.side
        for number in piece.nodes:
            node = nodes[number]
            inputs = tuple([at for source in node.inputs if (at := self._on(side, source)) >= 0])  # stored: nothing
            reuse: tuple[Id, ...] = ()
            if node.reuse or node.shown:
                alike = [source for source in node.shown if nodes[source].size == node.size]
                shown = [source for source in alike if self._sides[source] != side]
                parents = [self._on(side, source) for source in (*shown, *node.reuse)]
                reuse = tuple([each for each in parents if self._is_free(each)])
            size = node.size if side == HOST else node.size + node.scratch
            self._own[number] = self._lay(Node(size, inputs, reuse), side)

    def _on(self, side: str, source: Id) -> Id:
        return self._own[self._base[source]] if self._sides[source] == side else self._copied[source, side]

    def _is_free(self, laid: Id) -> bool:
        """Whether its memory may be taken over: inputs that are kept several times are kept to the end."""
        return laid >= 0 and not (self._copies > 1 and self.laid[laid].leaf)

    def _lay(self, node: Node, side: str) -> Id:
        self.laid.append(node)
        self.where.append(side)
        return len(self.laid) - 1


def _allocate(nodes: Sequence[Node], arenas: Sequence[Arena], *, kept: bool) -> None:
    """Play *nodes* through *arenas*, one for each; leaves are *kept* to the end, or as long as somebody needs them."""
    uses = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            uses[source] += 1
    offsets = [arena.take(node.size) if node.leaf else -1 for node, arena in zip(nodes, arenas, strict=True)]
    for number, node in enumerate(nodes):
        if node.size and not node.leaf:
            offsets[number] = place(node, nodes, uses, offsets, arenas[number])
        for source in node.inputs:
            uses[source] -= 1
            if not uses[source] and offsets[source] >= 0 and not (kept and nodes[source].leaf):
                arenas[source].give(offsets[source], nodes[source].size)
                offsets[source] = -1
