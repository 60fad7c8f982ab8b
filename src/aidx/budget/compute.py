"""The compute buffer, modelled: the worst-case graph of one physical batch played through the allocator.

The engine reserves its graph for a full physical batch with the whole cache in view
(``llama_context::sched_reserve``). The sweep (tests/e2e/test_sweep.py) holds the outcome against the engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from aidx.budget import kv
from aidx.budget.arena import Graph, peak
from aidx.budget.buffers import rules_for
from aidx.budget.cuts import peaks
from aidx.budget.geometry import Geometry
from aidx.budget.graph.inputs import batch_tokens, open_scene
from aidx.budget.graph.scene import F32, Spread
from aidx.budget.graph.whole import NORM, OUTPUT, build
from aidx.budget.placement import HOST, Placement
from aidx.budget.settings import Settings
from aidx.budget.sides import OFFLOADED_ROWS
from aidx.budget.weights import allocated
from aidx.model.spec import Layer, ModelSpec
from aidx.model.tensor import Tensor

# Spread over devices with fewer than 32 tokens, a few draws in a hundred of these were under, by a row at most.
_A_ROW_UNDER = frozenset({"bailingmoe2", "gpt-oss", "qwen2moe"})


class Buffer(NamedTuple):
    """So many *bytes* of compute buffer, and *why*."""

    bytes: int
    why: str


def compute_buffer(
    geo: Geometry, layers: Sequence[Layer], settings: Settings, placement: Placement, *, device: str
) -> Buffer:
    """The worst-case graph on *device* without scratch, where all lies on one device.

    *layers* are all of the model's.
    """
    why = _why(settings)
    if device == HOST and placement.pinned:
        return Buffer(_host_inputs(geo, settings), f"inputs of the graph: {why}")
    graph = build(geo, settings, on_gpu=device != HOST)
    size = peak(graph.nodes, rules_for(device).alignment)
    return Buffer(size - scratch(layers, settings, placement, device), f"worst-case graph: {why}")


def spread_buffer(
    peaks_of: Mapping[str, int], layers: Sequence[Layer], settings: Settings, placement: Placement, *, device: str
) -> Buffer:
    """The part on *device* of a graph that lies on several, without scratch."""
    size = peaks_of[device] - min(scratch(layers, settings, placement, device), peaks_of[device])
    return Buffer(size, f"worst-case graph, cut between devices: {_why(settings)}")


def _why(settings: Settings) -> str:
    return f"{batch_tokens(settings)} tokens at once over {settings.n_ctx:,} cells"


def spread_peaks(geo: Geometry, settings: Settings, spread: Spread) -> dict[str, int]:
    """What each device needs; every block counts, since holes in memory depend on all that came before."""
    graph = build(replace(geo, blocks=geo.every), settings, on_gpu=True, spread=spread)
    alignments = {device: rules_for(device).alignment for device in (*spread.gpus, HOST)}
    found = peaks(graph.nodes, alignments, copies=spread.copies)
    if geo.architecture in _A_ROW_UNDER and batch_tokens(settings) < OFFLOADED_ROWS:
        row = F32 * geo.embedding * settings.n_outputs
        return {device: size + row * (device != HOST and size > 0) for device, size in found.items()}
    return found


class Sized(NamedTuple):
    """A *tensor*, the *key* of its weight in a graph and its *bytes* on a GPU; alike for all placements."""

    tensor: Tensor
    key: tuple[int, str]
    bytes: int


def sized(model: ModelSpec) -> tuple[Sized, ...]:
    """The tensors of *model* as ``spread_over`` takes them."""
    found = []
    for tensor in model.tensors:
        layer = tensor.layer
        key = (-1, tensor.name) if layer is None else (layer, tensor.name.split(".", 2)[2])
        found.append(Sized(tensor, key, allocated(tensor, "gpu0")))
    return tuple(found)


def spread_over(tensors: Iterable[Sized], placement: Placement) -> Spread:
    """Where the parts of a model of *tensors* lie."""
    weights: dict[tuple[int, str], tuple[str, int]] = {}
    for tensor, key, size in tensors:
        held = placement.holders(tensor)
        if held and not tensor.name.endswith("token_embd.weight"):
            weights[key] = held[0], size
            if tensor.name.startswith(placement.final_norm):
                weights[-1, NORM] = held[0], size
        elif placement.tied and tensor.name == "token_embd.weight":
            weights[-1, OUTPUT] = placement.output, size
    return Spread(placement.gpus, placement.blocks[: placement.trunk], weights, placement.copies)


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
