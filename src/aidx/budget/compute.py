"""The compute buffer, modelled: the worst-case graph of one physical batch played through the allocator.

The engine reserves its graph for a full physical batch with the whole cache in view
(``llama_context::sched_reserve``). The sweep (tests/e2e/test_sweep.py) holds the outcome against the engine.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aidx.budget import kv
from aidx.budget.arena import Graph, peak
from aidx.budget.buffers import rules_for
from aidx.budget.geometry import Geometry
from aidx.budget.graph.inputs import batch_tokens, open_scene
from aidx.budget.graph.scene import F32, NOTHING_AWAY, Away
from aidx.budget.graph.whole import build
from aidx.budget.handover import handed_over
from aidx.budget.placement import HOST, Placement
from aidx.budget.settings import Settings
from aidx.budget.weights import allocated
from aidx.model.spec import Layer, ModelSpec

OFFLOADED_BATCH = 32  # tokens from which the GPU does the host's products too (op_offload)


class Buffer(NamedTuple):
    """So many *bytes* of compute buffer, and *why*."""

    bytes: int
    why: str


def compute_buffer(
    geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, *, device: str, away: Away
) -> Buffer:
    """The worst-case graph on *device* without scratch; *layers* are all of the model's, *away* is what it lacks.

    With a GPU around, a batch of 32 tokens or more is computed there whole, and what lies on the host is
    fetched for it; a smaller one is computed where its weights are.
    """
    tokens = batch_tokens(settings)
    why = f"{tokens} tokens at once over {settings.n_ctx:,} cells"
    more = handed_over(geo, layers, settings, placement, device)
    if device == HOST and placement.pinned and not _computes_on_host(geo, settings, away):
        return Buffer(_host_inputs(geo, settings) + _sent_back(geo, tokens, away) + more, f"inputs of the graph: {why}")
    graph = build(geo, settings, on_gpu=device != HOST, away=away if device != HOST else NOTHING_AWAY)
    size = peak(graph.nodes, rules_for(device).alignment)
    if device != HOST and away != NOTHING_AWAY:
        size += _torn(geo, graph) + _borrowed(geo, layers, settings, away)
        why += ", and what is fetched from the host for them"
    if more:
        why += ", and what is handed over between GPUs"
    return Buffer(size + more - scratch(layers, settings, placement, device), f"worst-case graph: {why}")


def _computes_on_host(geo: Geometry, settings: Settings, away: Away) -> bool:
    """Whether blocks on the host are computed there: small batches are, and states are updated where they lie."""
    if batch_tokens(settings) // settings.n_stream < OFFLOADED_BATCH:
        return away != NOTHING_AWAY
    return any(block.recurrent and block.number in away.blocks for block in geo.blocks)


def _torn(geo: Geometry, graph: Graph) -> int:
    """What holes of the wrong size may cost a graph that is cut into pieces between the GPU and the host.

    The pieces are allocated in an order that is not modelled. In random splits the largest tensor on top was
    enough, the largest three where there are recurrent blocks; with embeddings of blocks' own (Gemma 4 E models)
    six were not, in 9 of 5,000. This is seen, not proved: a split plan asks the engine.
    """
    count = 1
    if any(block.recurrent for block in geo.blocks):
        count = 3
    if geo.extra:
        count = 12
    return sum(sorted(node.size for node in graph.nodes)[-count:])


def _borrowed(geo: Geometry, layers: Sequence[Layer], settings: Settings, away: Away) -> int:
    """Caches on the host that blocks on the GPU read: Gemma 4 E's last blocks keep none and use earlier ones'.

    They are fetched whole, at most one of each of the two kinds (full and windowed) at a time; both are taken as
    large as the largest, so that the sum is never low.
    """
    if not geo.extra:
        return 0
    return 2 * max(
        (kv.layer_bytes(layers[number], settings, device="gpu0", widest=None) for number in away.blocks), default=0
    )


def _sent_back(geo: Geometry, tokens: int, away: Away) -> int:
    """K and V of one batch, which go back to a cache on the host."""
    widths = (
        block.keeps.kv_heads * (block.keeps.key_dim + block.keeps.value_dim)
        for block in geo.blocks
        if block.number in away.blocks
    )
    return F32 * tokens * max(widths, default=0)


def away_from_gpu(model: ModelSpec, geo: Geometry, placement: Placement) -> Away:
    """What the GPU of *placement* fetches from the host, block by block of *geo*.

    Quantizations give some blocks larger tensors than others: each is taken as large as the largest of its name.
    """
    largest: dict[str, int] = {}
    for tensor in model.tensors:
        if tensor.layer is not None and len(tensor.shape) > 1 and placement.holders(tensor) == (HOST,):
            name = tensor.name.split(".", 2)[2]
            largest[name] = max(largest.get(name, 0), allocated(tensor, "gpu0"))
    host = frozenset(number for number, device in enumerate(placement.blocks) if device == HOST)
    fetched = {
        (block.number, name): size
        for block in geo.blocks
        for name, size in largest.items()
        if block.number in host or (block.number < placement.cpu_moe and "_exps" in name)
    }
    return Away(fetched, host) if fetched or host else NOTHING_AWAY


def scratch(layers: Sequence[Layer], settings: Settings, placement: Placement, device: str) -> int:
    """Bytes of the f16 copies of K and V that flash attention makes on CUDA when the cache is quantized or bf16."""
    if device == HOST or not settings.flash_attn:
        return 0
    rows = [
        2 * kv.cells(layer, settings) * settings.n_stream * layer.kv_heads * _copied(layer, settings)
        for layer, where in zip(layers, placement.blocks, strict=True)
        if where == device
    ]
    return max(rows, default=0)


def _copied(layer: Layer, settings: Settings) -> int:
    key = layer.key_dim if kv.is_copied(settings.cache_type_k) else 0
    return key + (layer.value_dim if kv.is_copied(settings.cache_type_v) else 0)


def _host_inputs(geo: Geometry, settings: Settings) -> int:
    """What stays on the host when the GPU computes: inputs and what is looked up for tokens."""
    graph = Graph()
    _, embedded, _, extra = open_scene(graph, geo, settings, on_gpu=False)
    width = graph.nodes[embedded].size
    looked_up = [width, width, *([] if extra is None else [graph.nodes[extra].size])]
    return rules_for(HOST).sum([*looked_up, *(node.size for node in graph.nodes if node.leaf)])
