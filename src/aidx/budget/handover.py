"""What several GPUs keep to hand work over, beyond the graph of one: a bound, never the engine's own figure.

``ggml_backend_sched`` copies each input to every device that reads it, and where all layers are on GPUs it keeps
four copies of each, so that one device can start while the next still works (``llama_context``, pipeline
parallelism). A block that reads an earlier block's cache on another device has that cache copied too.
"""

from collections.abc import Sequence

from aidx.budget import kv
from aidx.budget.arena import Graph
from aidx.budget.buffers import rules_for
from aidx.budget.geometry import Geometry
from aidx.budget.graph.inputs import batch_tokens, open_scene
from aidx.budget.graph.scene import F32
from aidx.budget.placement import HOST, Placement
from aidx.budget.settings import Settings
from aidx.model.spec import Layer

_CARRIED = 3  # rows of a batch that cross a border at once: the hidden state, its residual, one looked up


def handed_over(geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, device: str) -> int:
    """Bytes on *device* beside its own graph; 0 where there is one GPU at most."""
    if len(placement.gpus) < 2:
        return 0
    inputs = _inputs(geo, settings, device)
    if device == HOST:
        return (placement.copies - 1) * inputs
    carried = _CARRIED * F32 * geo.embedding * batch_tokens(settings)
    return placement.copies * (inputs + carried + _borrowed(geo, layers, settings, placement, device))


def _inputs(geo: Geometry, settings: Settings, device: str) -> int:
    graph = Graph()
    start = open_scene(graph, geo, settings, on_gpu=False)
    looked_up = [graph.nodes[start.embedded].size] * 2
    if start.extra is not None:
        looked_up.append(graph.nodes[start.extra].size)
    return rules_for(device).sum([*looked_up, *(node.size for node in graph.nodes if node.leaf)])


def _borrowed(geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, device: str) -> int:
    """Caches of earlier blocks that Gemma's E models read: each reader on *device* may have a view copied whole."""
    if not geo.extra:
        return 0
    widest = kv.value_width(layers, settings)
    largest = max(kv.layer_bytes(layer, settings, device=device, widest=widest) for layer in layers)
    readers = sum(where == device and not layer.kv_heads for layer, where in zip(layers, placement.blocks, strict=True))
    return readers * largest
