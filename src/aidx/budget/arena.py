"""The graph allocator: how many bytes a graph of tensors needs when memory is used again.

The same greedy best fit as ggml's ``ggml_gallocr`` (``ggml/src/ggml-alloc.c``): inputs stand first; each
tensor takes the smallest hole that holds it, or grows the end; it may take over the memory of a parent that
nobody else needs; its memory becomes a hole after its last use. Peaks depend on the holes, so they are played
through rather than summed up.
"""

from collections.abc import Sequence

from msgspec import Struct

from aidx.budget.placement import HOST
from aidx.budget.settings import pad

NOT_BY_WEIGHTS = -1
Id = int  # a tensor's number in its graph


class Node(Struct, frozen=True):
    """A tensor of *size* bytes computed from *inputs*; *reuse* are those whose memory it may take over.

    An input of the graph has no *inputs* and is *leaf*: it stands before everything else. What is *stored* has
    memory of its own already, a *weight* or a part of a cache. A *view* is a part of its input, *size* bytes where it
    is copied. *side* is the device where it lies or has to be computed, where that is settled. *rows* say how many
    rows a product with weights has, by which a GPU decides whether to take it over from the host; ``NOT_BY_WEIGHTS``
    where they do not decide anything. A GPU takes *scratch* bytes more. *shown* are views of others: their memory is
    not taken over, but that of their copies is, before that of others.
    """

    size: int
    inputs: tuple[Id, ...] = ()
    reuse: tuple[Id, ...] = ()
    leaf: bool = False
    side: str | None = None
    stored: bool = False
    weight: bool = False
    view: bool = False
    rows: int = 0
    scratch: int = 0
    shown: tuple[Id, ...] = ()


class Graph:
    """A graph under construction; tensors are numbered in the order in which they are computed."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def input(self, size: int) -> Id:
        """A tensor that is filled from outside, before all others."""
        return self._add(Node(size, leaf=True, side=HOST))

    def add(self, size: int, *inputs: Id, side: str | None = None, rows: int = 0, scratch: int = 0) -> Id:
        """A tensor of *size* bytes in memory of its own."""
        return self._add(Node(size, inputs, side=side, rows=rows, scratch=scratch))

    def over(self, size: int, shown: Id, *others: Id, rows: int = 0) -> Id:
        """A tensor of *size* bytes over *shown*, a view as large: in memory of its own, or in that of its copy."""
        return self._add(Node(size, (shown, *others), rows=rows, shown=(shown,)))

    def view(self, size: int, source: Id) -> Id:
        """A part of *source*, without memory of its own; *size* bytes from its first to its last."""
        return self._add(Node(size, (source,), view=True))

    def stored(self, size: int, side: str, *, weight: bool) -> Id:
        """A *weight*, or a part of a cache, that lies on *side*."""
        return self._add(Node(size, leaf=True, side=side, stored=True, weight=weight))

    def within(self, target: Id, *others: Id, rows: int = 0) -> Id:
        """A tensor as large as *target* that takes over its memory where nobody else needs it."""
        return self._add(Node(self.nodes[target].size, (target, *others), (target,), rows=rows))

    def onto(self, target: Id, shown: Id) -> Id:
        """*target* and *shown*, a view, taken together: where the copy of *shown* stands, or where *target* does."""
        return self._add(Node(self.nodes[target].size, (target, shown), (target,), shown=(shown,)))

    def sum(self, first: Id, second: Id) -> Id:
        """A tensor that takes over the memory of *first*, or else of *second*."""
        return self._add(Node(self.nodes[first].size, (first, second), (first, second)))

    def _add(self, node: Node) -> Id:
        self.nodes.append(node)
        return len(self.nodes) - 1


class Arena:
    """Addresses from 0 up; *peak* is the highest end that was ever in use."""

    __slots__ = ("alignment", "end", "holes", "peak")

    def __init__(self, alignment: int) -> None:
        self.alignment = alignment
        self.holes: list[tuple[int, int]] = []  # (offset, size) of free memory below *end*, by offset
        self.end = 0
        self.peak = 0

    def take(self, size: int) -> int:
        """The offset of *size* bytes: in the smallest hole that holds them, the last of equals, or at the end."""
        size = pad(size, self.alignment)
        best = -1
        for number, (_, free) in enumerate(self.holes):
            if free >= size and (best < 0 or free <= self.holes[best][1]):
                best = number
        if best < 0:
            offset, self.end = self.end, self.end + size
            self.peak = max(self.peak, self.end)
            return offset
        offset, free = self.holes.pop(best)
        if free > size:
            self.holes.insert(best, (offset + size, free - size))
        return offset

    def give(self, offset: int, size: int) -> None:
        """Return *size* bytes at *offset*; neighbouring holes become one."""
        size = pad(size, self.alignment)
        number = 0
        while number < len(self.holes) and self.holes[number][0] < offset:
            number += 1
        if number < len(self.holes) and offset + size == self.holes[number][0]:
            size += self.holes.pop(number)[1]
        if number and sum(self.holes[number - 1]) == offset:
            offset, before = self.holes[number - 1][0], self.holes.pop(number - 1)[1]
            size += before
            number -= 1
        if offset + size == self.end:
            self.end = offset
        else:
            self.holes.insert(number, (offset, size))


def peak(nodes: Sequence[Node], alignment: int) -> int:
    """Bytes that the graph of *nodes* needs."""
    uses = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            uses[source] += 1
    arena = Arena(alignment)
    offsets = [arena.take(node.size) if node.leaf else -1 for node in nodes]
    for number, node in enumerate(nodes):
        if not node.leaf and node.size:
            offsets[number] = place(node, nodes, uses, offsets, arena)
        for source in node.inputs:
            uses[source] -= 1
            if not uses[source] and offsets[source] >= 0:
                arena.give(offsets[source], nodes[source].size)
                offsets[source] = -1
    return arena.peak


def place(node: Node, nodes: Sequence[Node], uses: list[int], offsets: list[int], arena: Arena) -> int:
    """Where *node* goes: into the memory of a parent that it may take over, or into memory of its own."""
    for parent in node.reuse:
        if uses[parent] == 1 and offsets[parent] >= 0 and nodes[parent].size >= node.size:
            offset, offsets[parent] = offsets[parent], -1
            size = pad(node.size, arena.alignment)
            spare = pad(nodes[parent].size, arena.alignment) - size
            if spare:
                arena.give(offset + size, spare)
            return offset
    return arena.take(node.size)
