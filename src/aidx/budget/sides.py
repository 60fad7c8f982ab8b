"""Which device computes which tensor of a graph, as ``ggml_backend_sched`` settles it.

What is written where something lies is written there. Products with weights are computed where the first of their
weights lies; those with weights on the host on the first GPU instead, if they have enough rows. Everything else goes
where its neighbours are, and GPUs come first (passes 1 and 2 of ``ggml_backend_sched_split_graph``).
"""

from collections.abc import Iterable, Sequence

from aidx.budget.arena import NOT_BY_WEIGHTS, Node
from aidx.budget.placement import HOST

OFFLOADED_ROWS = 32  # rows from which CUDA takes a product over from the host (``GGML_OP_OFFLOAD_MIN_BATCH``)


def sides(nodes: Sequence[Node], first_gpu: str) -> list[str]:
    """The device of each of *nodes*; some node's is known by its weights or by itself."""
    found = [node.side or _by_weights(node, nodes, first_gpu) for node in nodes]
    computed = [number for number, node in enumerate(nodes) if not node.leaf and not node.view]
    for past_host in (False, True):
        _spread(found, computed, past_host=past_host)
        _spread(found, reversed(computed), past_host=past_host)
    for number, node in enumerate(nodes):
        if node.view:
            found[number] = found[node.inputs[0]]
    return [side or HOST for side in found]


def _by_weights(node: Node, nodes: Sequence[Node], first_gpu: str) -> str | None:
    if node.rows == NOT_BY_WEIGHTS:
        return None
    side = next((nodes[source].side for source in node.inputs if nodes[source].weight), None)
    return first_gpu if side == HOST and node.rows >= OFFLOADED_ROWS else side


def _spread(found: list[str | None], order: Iterable[int], *, past_host: bool) -> None:
    """Give what has no device yet that of the one before it in *order*; the host's only *past_host*."""
    last: str | None = None
    for number in order:
        side = found[number]
        if side is None:
            found[number] = last
        else:
            last = side if past_host or side != HOST else None
