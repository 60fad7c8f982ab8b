"""The graph allocator: how many bytes a graph of tensors needs when memory is used again.

The same greedy best fit as ggml's ``ggml_gallocr`` (``ggml/src/ggml-alloc.c``): inputs stand first; each
tensor takes the smallest hole that holds it, or grows the end; it may take over the memory of a parent that
nobody else needs; its memory becomes a hole after its last use. Peaks depend on the holes, so they are played
through rather than summed up.
"""

from collections.abc import Sequence

from msgspec import Struct

from aidx.budget.settings import pad

Id = int  # a tensor's number in its graph


class Node(Struct, frozen=True):
    """A tensor of *size* bytes computed from *inputs*; *reuse* are those whose memory it may take over.

    An input of the graph has no *inputs* and is *leaf*: it stands before everything else. One on
    the *host* is computed there, or lies there; what is *stored* has memory of its own already, a *weight* or a part of
    a cache. A *view* is a part of its input, *size* bytes where it is copied.
    """

    size: int
    inputs: tuple[Id, ...] = ()
    reuse: tuple[Id, ...] = ()
    leaf: bool = False
    host: bool = False
    stored: bool = False
    weight: bool = False
    view: bool = False


class Graph:
    """A graph under construction; tensors are numbered in the order in which they are computed."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def input(self, size: int) -> Id:
        """A tensor that is filled from outside, before all others."""
        return self._add(Node(size, leaf=True, host=True))

    def add(self, size: int, *inputs: Id, host: bool = False) -> Id:
        """A tensor of *size* bytes in memory of its own, computed on the *host* or where everything else is."""
        return self._add(Node(size, inputs, host=host))

    def view(self, size: int, source: Id) -> Id:
        """A part of *source*, without memory of its own; *size* bytes from its first to its last."""
        return self._add(Node(size, (source,), host=self.nodes[source].host, view=True))

    def stored(self, size: int, *, weight: bool) -> Id:
        """A *weight*, or a part of a cache, that lies on the host."""
        return self._add(Node(size, leaf=True, host=True, stored=True, weight=weight))

    def within(self, target: Id, *others: Id) -> Id:
        """A tensor as large as *target* that takes over its memory where nobody else needs it."""
        return self._add(Node(self.nodes[target].size, (target, *others), (target,)))

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
