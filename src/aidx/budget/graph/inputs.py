"""What a graph is given from outside: tokens, positions, masks, places in the caches.

The engine looks tokens up on the host, in both of two ways that a batch may be given (tokens alone, or mixed
with ready embeddings); a GPU is sent the outcome (``llama_graph_context::build_inp_embd`` and its like).
"""

from typing import NamedTuple

from aidx.budget import kv
from aidx.budget.arena import Graph, Id
from aidx.budget.geometry import Geometry
from aidx.budget.graph.scene import F32, Cache, Scene, Spread
from aidx.budget.placement import HOST
from aidx.budget.settings import Settings
from aidx.model.spec import Layer
from aidx.model.tensor import TYPES

I32, I64 = 4, 8
MASK_F16, MASK_F32 = 2, 4  # flash attention takes its mask in f16
ROTATED = 64  # heads of a multiple of this many elements are rotated before they are stored quantized
_SCALED_BY_ROW = frozenset({"gemma3", "gemma4"})  # one factor a token, because images are not scaled
_SCALED = frozenset(
    {"gemma", "gemma2", "granite", "granitemoe", "grok", "minicpm"}
)  # one factor, written into the graph


class Start(NamedTuple):
    """The scene, the embedded tokens, the rows that are asked for, and the embeddings of each block."""

    scene: Scene
    embedded: Id
    picked: Id
    extra: Id | None


def batch_tokens(settings: Settings) -> int:
    """Tokens of the worst-case batch: a full physical batch, in equal parts for all sequences.

    A batch of fewer tokens than sequences is counted as one of a token each, which is more than is allocated.
    """
    tokens = min(settings.n_ctx, settings.n_ubatch)
    return -(-tokens // settings.parallel) * settings.parallel


def open_scene(graph: Graph, geo: Geometry, settings: Settings, *, on_gpu: bool, spread: Spread | None = None) -> Start:
    """Add every input to *graph*; *on_gpu* says that look-ups were made elsewhere and are inputs too.

    A model that is *spread* has its look-ups in the graph, on the host.
    """
    tokens = batch_tokens(settings)
    width = F32 * geo.embedding * tokens
    ids: tuple[Id, ...] = ()
    if on_gpu and spread is None:
        mixed, looked_up = graph.input(width), graph.input(width)
        slots, embedded = graph.input(I64 * tokens), graph.input(width)
    else:
        ids = graph.input(I32 * tokens), graph.input(I32 * tokens)
        graph.input(width)
        slots, mixed = graph.input(I64 * tokens), graph.input(width)
    states = graph.input(I32 * settings.parallel) if any(block.recurrent for block in geo.blocks) else None
    factor = graph.input(F32 * tokens) if geo.architecture in _SCALED_BY_ROW else None
    positions = graph.input(I32 * tokens * geo.positions)
    caches, extra = _caches(graph, geo, settings, tokens, sent=on_gpu and spread is None)
    if ids:
        embedded, looked_up = (graph.add(width, source, side=HOST) for source in ids)
    graph.add(width, mixed)  # what is written into has a view that nobody reads, and is never freed
    graph.add(0, looked_up, slots)
    if factor is not None:
        embedded = graph.within(embedded, factor)
    elif geo.architecture in _SCALED:
        embedded = graph.within(embedded)
    scene = Scene(
        graph=graph,
        geo=geo,
        settings=settings,
        tokens=tokens,
        sequences=settings.parallel,
        copies=on_gpu and settings.flash_attn,
        positions=positions,
        states=states,
        caches=caches,
        widest=kv.value_width([block.keeps for block in geo.every], settings) or 0,
        spread=spread,
        factors=_factors(graph, geo, spread),
    )
    return Start(scene, embedded, graph.input(I32 * settings.n_outputs), extra)


def _factors(graph: Graph, geo: Geometry, spread: Spread | None) -> dict[str, Id]:
    """What rotations are scaled by, once on each device with blocks."""
    if spread is None or not geo.factors:
        return {}
    return {side: graph.stored(geo.factors, side, weight=True) for side in dict.fromkeys(spread.blocks)}


def _extra(graph: Graph, geo: Geometry, tokens: int, *, sent: bool) -> Id | None:
    """The rows that each token looks up for all blocks, where blocks have embeddings of their own."""
    if not geo.extra:
        return None
    size = F32 * geo.extra * tokens
    return graph.input(size) if sent else graph.add(size, graph.input(I32 * tokens), side=HOST)


def _caches(
    graph: Graph, geo: Geometry, settings: Settings, tokens: int, *, sent: bool
) -> tuple[dict[bool, Cache], Id | None]:
    """The inputs of each cache that some block writes, the windowed one first, and the embeddings of each block.

    What is *sent* to a GPU stands in the order in which it is needed: the first block's embedding before the second
    cache.
    """
    layers = [block.keeps for block in geo.blocks if block.keeps.kv_heads]
    widest = kv.value_width(layers, settings)
    caches: dict[bool, Cache] = {}
    extra: Id | None = None
    for windowed in (True, False):
        mine = next((layer for layer in layers if (layer.window is not None) == windowed), None)
        if mine is None:
            continue
        if sent and caches:
            extra = _extra(graph, geo, tokens, sent=True)
        sizes = _cache_sizes(settings, mine, geo.every[0].keeps, tokens, widest)
        caches[windowed] = Cache(*(None if size is None else graph.input(size) for size in sizes))
    return caches, _extra(graph, geo, tokens, sent=sent) if extra is None else extra


def _cache_sizes(
    settings: Settings, layer: Layer, first: Layer, tokens: int, widest: int | None
) -> tuple[int | None, ...]:
    """Bytes of a cache's inputs, in the order of ``Cache``; transposed V has a place for each element.

    Whether a cache is rotated goes by the heads of the *first* block, whichever cache that writes.
    """
    key, value = (first.key_dim or layer.key_dim, first.value_dim or layer.value_dim)
    element = MASK_F16 if settings.flash_attn else MASK_F32
    return (
        _rotation(settings.cache_type_k, layer.key_dim if layer.value_dim else 0, key, largest=True),
        _rotation(settings.cache_type_v, layer.value_dim, value, largest=False),
        I64 * tokens,
        I64 * tokens * (widest or 1) if layer.value_dim else None,
        element * kv.cells(layer, settings) * tokens,
    )


def _rotation(kind: str, width: int, judged: int, *, largest: bool) -> int | None:
    """Bytes of what rotates heads of *width*, if *judged* divides, before they are stored quantized.

    Keys take the largest.
    """
    if TYPES[kind].block == 1 or not width or judged % ROTATED:
        return None
    side = ROTATED
    while largest and width % (2 * side) == 0:
        side *= 2
    return F32 * side * side
