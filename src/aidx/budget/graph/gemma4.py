"""What Gemma 4 does its own way: experts beside a dense part, and an embedding for every block."""

from aidx.budget.arena import Id
from aidx.budget.geometry import Block
from aidx.budget.graph.feedforward import added_up, dense, weighted_experts
from aidx.budget.graph.scene import F32, Scene


def feed_forward(scene: Scene, block: Block, middle: Id) -> Id:
    """The dense part, and where there are experts theirs before it; each is normalized, then their sum."""
    if not block.has("ffn_gate_inp.weight"):
        return dense(scene, block, scene.norm(middle, *scene.weight(block, "ffn_norm.weight")), "")
    routed = scene.norm(middle)
    weighted = weighted_experts(scene, block, routed, lambda: scene.norm(middle))
    alone = scene.geo.used == 1  # a single expert is copied only when it is needed
    mixed = weighted if alone else added_up(scene, weighted)
    shared = scene.norm_in_place(dense(scene, block, scene.norm(middle), ""))
    mixed = added_up(scene, weighted) if alone else mixed
    return scene.graph.sum(shared, scene.norm_in_place(mixed))


def embeddings(scene: Scene, embedded: Id, looked_up: Id) -> Id:
    """The embeddings of all blocks: looked up and projected, added, and laid out block by block."""
    graph, width = scene.graph, scene.geo.extra
    projected = graph.within(scene.add(width, *scene.shared("per_layer_model_proj.weight"), embedded))
    normed = graph.add(F32 * width * scene.tokens, projected)
    normed = scene.within(normed, *scene.shared("per_layer_proj_norm.weight"), rows=len(scene.geo.every))
    added = graph.within(graph.within(normed, graph.within(looked_up)))
    return scene.add(width, added)


def gate(scene: Scene, block: Block, hidden: Id) -> Id:
    """What lets the block's own embedding through."""
    return scene.graph.within(scene.product(block, "inp_gate.weight", hidden))


def let_through(scene: Scene, block: Block, opened: Id, extra: Id, hidden: Id) -> Id:
    """*hidden* and the block's own embedding, gated and projected."""
    chosen = scene.graph.within(opened, extra)
    out = scene.product(block, "proj.weight", chosen)
    return scene.graph.sum(hidden, scene.norm_in_place(out, *scene.weight(block, "post_norm.weight")))
