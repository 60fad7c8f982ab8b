"""A graph that lies on a GPU and on the host, cut into pieces as ``ggml_backend_sched`` cuts it.

Each piece is computed on one of the two. What it needs from the other is copied at its beginning, once for the whole
graph; the copy of a weight begins a piece of its own, so that the memory of the one before can be used again
(``ggml_backend_sched_split_graph``). All pieces go through one allocator with a buffer on each side, in order.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from aidx.budget.arena import Arena, Id, Node, place


class Peaks(NamedTuple):
    """Bytes of the buffer on each side."""

    gpu: int
    host: int


class _Piece(Struct):
    host: bool
    inputs: list[Id] = field(default_factory=list)
    nodes: list[Id] = field(default_factory=list)


def peaks(nodes: Sequence[Node], *, gpu: int, host: int) -> Peaks:
    """What *nodes* need on each side; *gpu* and *host* are the alignments there."""
    arenas = (Arena(gpu), Arena(host))
    _allocate(_laid_out(nodes, _pieces(nodes)), arenas)
    return Peaks(arenas[False].peak, arenas[True].peak)


def _pieces(nodes: Sequence[Node]) -> list[_Piece]:
    piece = _Piece(host=True)
    found = [piece]
    copied: set[Id] = set()  # a tensor is foreign to one side only
    for number, node in enumerate(nodes):
        if node.leaf or node.view:
            continue
        foreign = [source for source in node.inputs if nodes[source].host is not node.host]
        weighs = any(nodes[source].weight for source in foreign)
        if piece.host is not node.host or (weighs and piece.inputs):
            piece = _Piece(node.host)
            found.append(piece)
        for source in foreign:
            if source not in copied:
                copied.add(source)
                piece.inputs.append(source)
        piece.nodes.append(number)
    return found


def _laid_out(nodes: Sequence[Node], pieces: Sequence[_Piece]) -> list[Node]:
    """The nodes in the order in which they are allocated, with the copies between them."""
    laid: list[Node] = []
    own, copy = [-1] * len(nodes), [-1] * len(nodes)  # where each is, and where its copy on the other side is
    base = list(range(len(nodes)))  # a view is where its source is
    for number, node in enumerate(nodes):
        if node.view:
            base[number] = base[node.inputs[0]]
        if node.leaf and not node.stored:
            own[number] = len(laid)
            laid.append(node)
    for piece in pieces:
        for source in piece.inputs:
            if not nodes[source].stored:  # kept until it has been copied
                laid.append(Node(0, (own[base[source]],), host=nodes[source].host))
            copy[source] = len(laid)
            laid.append(Node(nodes[source].size, host=piece.host))
        for number in piece.nodes:
            node = nodes[number]
            here = [copy[each] if nodes[each].host is not node.host else own[base[each]] for each in node.inputs]
            inputs = tuple([each for each in here if each >= 0])  # what is stored on this side is nothing
            reuse = tuple([each for each, source in zip(here, node.inputs, strict=True) if source in node.reuse])
            own[number] = len(laid)
            laid.append(Node(node.size, inputs, reuse, host=node.host))
    return laid


def _allocate(nodes: Sequence[Node], arenas: tuple[Arena, Arena]) -> None:
    uses = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            uses[source] += 1
    offsets = [arenas[node.host].take(node.size) if node.leaf else -1 for node in nodes]
    for number, node in enumerate(nodes):
        if node.size and not node.leaf:
            offsets[number] = place(node, nodes, uses, offsets, arenas[node.host])
        for source in node.inputs:
            uses[source] -= 1
            if not uses[source] and offsets[source] >= 0:
                arenas[nodes[source].host].give(offsets[source], nodes[source].size)
                offsets[source] = -1
