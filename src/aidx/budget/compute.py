"""The compute buffer, modelled: the worst-case graph of one physical batch played through the allocator.

The engine reserves its graph for a full physical batch with the whole cache in view
(``llama_context::sched_reserve``). The sweep (tests/e2e/test_sweep.py) holds the outcome against the engine.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from aidx.budget import kv
from aidx.budget.arena import Graph, peak
from aidx.budget.buffers import CUDA, rules_for
from aidx.budget.buffers import HOST as BUFFER_ON_HOST
from aidx.budget.cuts import Peaks, peaks
from aidx.budget.geometry import Block, Geometry, telling
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
    geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, *, device: str
) -> Buffer:
    """The worst-case graph on *device* without scratch, where each device has all that it computes with.

    *layers* are all of the model's.
    """
    why = _why(settings)
    more = handed_over(geo, layers, settings, placement, device)
    if device == HOST and placement.pinned:
        return Buffer(_host_inputs(geo, settings) + more, f"inputs of the graph: {why}")
    graph = build(geo, settings, on_gpu=device != HOST)
    size = peak(graph.nodes, rules_for(device).alignment)
    if more:
        why += ", and what is handed over between GPUs"
    return Buffer(size + more - scratch(layers, settings, placement, device), f"worst-case graph: {why}")


def cut_buffer(
    both: Peaks, geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, *, device: str
) -> Buffer:
    """One side of a graph that lies on a GPU and on the host, without scratch.

    A batch of 32 tokens or more is computed on the GPU whole, and what lies on the host is fetched for it. Of several
    GPUs each is taken to compute all of it, and what they hand over stands on top: a bound.
    """
    size = both.host if device == HOST else both.gpu - scratch(layers, settings, placement, device)
    more = handed_over(geo, layers, settings, placement, device)
    return Buffer(size + more, f"worst-case graph, cut between GPU and host: {_why(settings)}")


def _why(settings: Settings) -> str:
    return f"{batch_tokens(settings)} tokens at once over {settings.n_ctx:,} cells"


def _computes_on_host(geo: Geometry, settings: Settings, away: Away) -> bool:
    """Whether blocks on the host are computed there: small batches are, and states are updated where they lie."""
    if batch_tokens(settings) // settings.n_stream < OFFLOADED_BATCH:
        return away != NOTHING_AWAY
    return any(block.recurrent and block.number in away.blocks for block in geo.blocks)


def is_cut(geo: Geometry, settings: Settings, away: Away) -> bool:
    """Whether the way of a model that lies on a GPU and on the host is replayed, to the engine's very bytes.

    Not where blocks keep a state, and where a batch is so small that the host computes its own blocks.
    """
    return not (any(block.recurrent for block in geo.every) or _computes_on_host(geo, settings, away))


def cut(geo: Geometry, settings: Settings, away: Away) -> Peaks:
    """What both sides need; blocks that repeat others are left out, on each side by itself."""
    marks = [
        (number in away.blocks, tuple(away.weights.get((number, name), 0) for name in block.shapes))
        for number, block in enumerate(geo.every)
    ]
    blocks: list[Block] = []
    for _, group in groupby(zip(geo.every, marks, strict=True), key=lambda pair: (pair[1][0], any(pair[1][1]))):
        alike = list(group)
        blocks += telling(tuple(block for block, _ in alike), [mark for _, mark in alike])
    if any(block.source in away.blocks and block.number not in away.blocks for block in geo.every):
        blocks = list(geo.every)  # all caches that these read are copied for one piece: none is like another
    graph = build(replace(geo, blocks=tuple(blocks)), settings, on_gpu=True, away=away)
    found = peaks(graph.nodes, gpu=CUDA.alignment, host=BUFFER_ON_HOST.alignment)
    # With embeddings of the blocks' own (Gemma 4 E) one of 46 random splits was 1.9 % under: one hole of theirs more.
    return Peaks(found.gpu + F32 * geo.extra * batch_tokens(settings), found.host)


def away_from_gpu(model: ModelSpec, placement: Placement) -> Away:
    """What the GPU of *placement* fetches from the host, block by block."""
    host = frozenset(number for number, device in enumerate(placement.blocks) if device == HOST)
    fetched = {
        (-1, tensor.name) if tensor.layer is None else (tensor.layer, tensor.name.split(".", 2)[2]): allocated(
            tensor, "gpu0"
        )
        for tensor in model.tensors
        if placement.holders(tensor) == (HOST,) and not tensor.name.endswith("token_embd.weight")
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
