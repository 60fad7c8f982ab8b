"""The feed-forward part of a block: dense, or a mixture of experts with or without shared ones."""

from collections.abc import Callable

from aidx.budget.arena import Id
from aidx.budget.geometry import Block
from aidx.budget.graph.scene import Scene


def feed_forward(scene: Scene, block: Block, x: Id) -> Id:
    """The feed-forward part over the normalized *x*; the result is as wide as the embedding."""
    if not block.has("ffn_gate_inp.weight"):
        return dense(scene, block, x, "")
    mixed = mixture(scene, block, x, lambda: x)
    if not block.has("ffn_up_shexp.weight"):
        return mixed
    shared = dense(scene, block, x, "_shexp")
    if block.has("ffn_gate_inp_shexp.weight"):
        gate = scene.graph.within(scene.product(block, "ffn_gate_inp_shexp.weight", x, width=1))
        shared = scene.graph.within(shared, gate)
    return scene.graph.sum(mixed, shared)


def dense(scene: Scene, block: Block, x: Id, suffix: str) -> Id:
    """Gate and up, each or in one product, then down; *suffix* ``_shexp`` for shared experts."""
    gate, up = f"ffn_gate{suffix}.weight", f"ffn_up{suffix}.weight"
    if block.has(gate):
        opened = scene.add(block.rows(up), scene.product(block, gate, x), scene.product(block, up, x))
    else:
        opened = scene.add(block.rows(up) // 2, scene.product(block, up, x))
    return scene.product(block, f"ffn_down{suffix}.weight", opened)


def mixture(scene: Scene, block: Block, routed: Id, enter: Callable[[], Id]) -> Id:
    """Route each token by *routed* to some experts, run them on what *enter* makes, add up what they say."""
    return added_up(scene, weighted_experts(scene, block, routed, enter))


def weighted_experts(scene: Scene, block: Block, routed: Id, enter: Callable[[], Id]) -> Id:
    """What the experts of each token say, side by side, each with its weight."""
    graph, used = scene.graph, scene.geo.used
    chosen, weights = _route(scene, block, routed)
    opened = _opened(scene, block, enter(), chosen)
    down = _expert(scene, block, "ffn_down_exps", opened, chosen)
    if block.has("ffn_down_exps.scale"):
        factors = scene.add(used, scene.add(block.rows("ffn_gate_inp.weight")), chosen)
        down = graph.within(down, factors)
    return graph.within(down, weights)


def added_up(scene: Scene, weighted: Id) -> Id:
    """The sum of *weighted* experts; a copy where there is one."""
    total = scene.add(scene.geo.embedding, weighted)
    for _ in range(scene.geo.used - 2):
        total = scene.graph.within(total, weighted)
    return total


def _opened(scene: Scene, block: Block, x: Id, chosen: Id) -> Id:
    """The experts' inner activations: gate and up, each or in one product."""
    if block.has("ffn_gate_up_exps.weight"):
        both = _expert(scene, block, "ffn_gate_up_exps", x, chosen)
        return scene.add(scene.geo.used * block.rows("ffn_gate_up_exps.weight") // 2, both)
    gate = _expert(scene, block, "ffn_gate_exps", x, chosen)
    up = _expert(scene, block, "ffn_up_exps", x, chosen)
    return scene.add(scene.geo.used * block.rows("ffn_up_exps.weight"), gate, up)


def _expert(scene: Scene, block: Block, name: str, x: Id, chosen: Id) -> Id:
    """One product with the matrices of all chosen experts."""
    width = scene.geo.used * block.rows(f"{name}.weight")
    out = scene.product(block, f"{name}.weight", x, chosen, width=width)
    bias = scene.weight(block, f"{name}.bias")
    return scene.within(out, *bias, chosen, rows=scene.geo.used) if block.has(f"{name}.bias") else out


def _route(scene: Scene, block: Block, x: Id) -> tuple[Id, Id]:
    """Which experts each token goes to, and with which weights."""
    graph, used = scene.graph, scene.geo.used
    experts = block.rows("ffn_gate_inp.weight")
    logits = scene.product(block, "ffn_gate_inp.weight", x)
    probabilities = scene.within(logits, *scene.weight(block, "ffn_gate_inp.bias"))
    bias = scene.weight(block, "exp_probs_b.bias")
    ranked = graph.within(scene.add(experts, probabilities, *bias)) if block.has("exp_probs_b.bias") else probabilities
    chosen = scene.columns(used, scene.add(experts, ranked))
    weights = scene.add(used, probabilities, chosen)
    if scene.geo.architecture == "gpt-oss":  # softmax over the chosen ones only
        return chosen, scene.add(used, weights)
    if scene.geo.normalized:
        total = graph.within(scene.add(1, weights))
        weights = scene.add(used, weights, total)
    return chosen, weights
