"""Blocks that keep a state: gated delta nets (Qwen 3 Next, Qwen 3.5) and short convolutions (LFM 2)."""

from aidx.budget.arena import Id
from aidx.budget.geometry import Block
from aidx.budget.graph.scene import F32, Scene


def recurrent(scene: Scene, block: Block, x: Id) -> Id:
    """The block's mixing over the normalized *x*; the result is as wide as the embedding."""
    return _delta_net(scene, block, x) if block.keeps.recurrent_state else _short_convolution(scene, block, x)


def _state(scene: Scene, elements: int) -> Id:
    picked = () if scene.states is None else (scene.states,)
    return scene.graph.add(F32 * elements * scene.sequences, *picked)


def _delta_net(scene: Scene, block: Block, x: Id) -> Id:
    graph = scene.graph
    mixed, inner = block.rows("attn_qkv.weight"), block.rows("attn_gate.weight")
    before = _state(scene, block.keeps.conv_state)
    product = scene.product(block, "attn_qkv.weight", x)
    window = graph.add(graph.nodes[product].size + graph.nodes[before].size, before, product)
    state = _state(scene, block.keeps.recurrent_state)
    convolved = graph.within(scene.add(mixed, window))
    query, key = _head(scene, block, convolved, inner), _head(scene, block, convolved, inner)
    decay, update = _gates(scene, block, x)
    size = F32 * (inner * scene.tokens + block.keeps.recurrent_state * scene.sequences)
    attended = graph.add(size, query, key, convolved, decay, update, state)
    normed = graph.within(scene.add(inner, attended))
    opened = scene.add(inner, scene.product(block, "attn_gate.weight", x))
    return scene.product(block, "ssm_out.weight", graph.within(normed, opened))


def _head(scene: Scene, block: Block, convolved: Id, inner: int) -> Id:
    """Normalized queries or keys; Qwen 3 Next repeats them for each of the value's heads."""
    width = (block.rows("attn_qkv.weight") - inner) // 2
    normed = scene.graph.within(scene.add(width, convolved))
    return scene.add(inner, normed) if block.has("ssm_ba.weight") and width != inner else normed


def _gates(scene: Scene, block: Block, x: Id) -> tuple[Id, Id]:
    graph = scene.graph
    if block.has("ssm_ba.weight"):
        both = scene.product(block, "ssm_ba.weight", x)
        half = block.rows("ssm_ba.weight") // 2
        return graph.within(scene.add(half, both)), graph.within(scene.add(half, both))
    heads = block.rows("ssm_alpha.weight")
    decay = graph.within(scene.add(heads, scene.product(block, "ssm_alpha.weight", x)))
    return decay, scene.add(heads, scene.product(block, "ssm_beta.weight", x))


def _short_convolution(scene: Scene, block: Block, x: Id) -> Id:
    graph, width = scene.graph, scene.geo.embedding
    before = _state(scene, block.keeps.conv_state)
    parts = scene.product(block, "shortconv.in_proj.weight", x)
    gated = scene.add(width, parts)
    window = graph.add(graph.nodes[gated].size + graph.nodes[before].size, before, gated)
    convolved = scene.add(width, window)
    return scene.product(block, "shortconv.out_proj.weight", graph.within(convolved, parts))
