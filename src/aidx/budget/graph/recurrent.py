"""Blocks that keep a state: gated delta nets (Qwen 3 Next, Qwen 3.5) and short convolutions (LFM 2)."""

from aidx.budget.arena import Id
from aidx.budget.geometry import Block
from aidx.budget.graph.scene import F32, Scene

_PICKED_AHEAD = frozenset({"lfm2"})  # what follows the last store of a block is computed with the next block


def recurrent(scene: Scene, block: Block, x: Id) -> Id:
    """The block's mixing over the normalized *x*; the result is as wide as the embedding."""
    return _delta_net(scene, block, x) if block.keeps.recurrent_state else _short_convolution(scene, block, x)


def pick_ahead(scene: Scene, block: Block | None) -> None:
    """Pick the states that follow *block* (``None``: the start) where the family does so before it ends that."""
    while scene.waiting:
        scene.waiting.pop()()
    if scene.geo.architecture in _PICKED_AHEAD:
        after = scene.geo.blocks[0 if block is None else scene.geo.blocks.index(block) + 1 :][:1]
        for each in after:
            if each.recurrent:
                scene.picked[each.number] = _state(scene, each, each.keeps.conv_state)


def _state(scene: Scene, block: Block, elements: int) -> Id:
    """The states of all sequences, picked where they lie."""
    if block.number in scene.picked:
        return scene.picked.pop(block.number)
    picked = () if scene.states is None else (scene.states,)
    return scene.graph.add(F32 * elements * scene.sequences, *picked, side=scene.home(block))


def _kept(scene: Scene, block: Block, part: int, source: Id) -> None:
    """Write *part* bytes of *source* back to where the state lies."""
    if scene.spread is not None:
        scene.graph.add(0, scene.part(part, source), side=scene.home(block))


def _last(scene: Scene, window: Id) -> int:
    """Bytes from the first to the last of what is kept of *window*: all columns but those of the batch's beginning."""
    return scene.graph.nodes[window].size - F32 * (scene.tokens // scene.sequences)


def _delta_net(scene: Scene, block: Block, x: Id) -> Id:
    graph = scene.graph
    mixed, inner = block.rows("attn_qkv.weight"), block.rows("attn_gate.weight")
    before = _state(scene, block, block.keeps.conv_state)
    product = scene.product(block, "attn_qkv.weight", x)
    size = graph.nodes[product].size + graph.nodes[before].size
    window = graph.add(size, scene.part(graph.nodes[before].size, before), product)
    _kept(scene, block, _last(scene, window), window)
    state = _state(scene, block, block.keeps.recurrent_state)
    convolved = graph.within(scene.add(mixed, window, *scene.weight(block, "ssm_conv1d.weight")))
    query, key = _head(scene, block, convolved, inner), _head(scene, block, convolved, inner)
    decay, update = _gates(scene, block, x)
    size = F32 * (inner * scene.tokens + block.keeps.recurrent_state * scene.sequences)
    attended = graph.add(size, query, key, convolved, decay, update, scene.part(graph.nodes[state].size, state))
    _kept(scene, block, F32 * block.keeps.recurrent_state * scene.sequences, attended)
    heads = block.rows("ssm_alpha.weight") or block.rows("ssm_ba.weight") // 2
    normed = scene.within(
        scene.over(inner, scene.part(F32 * inner * scene.tokens, attended)),
        *scene.weight(block, "ssm_norm.weight"),
        rows=heads,
    )
    opened = scene.over(inner, scene.product(block, "attn_gate.weight", x))
    return scene.product(block, "ssm_out.weight", graph.within(normed, opened), beside=scene.sequences)


def _head(scene: Scene, block: Block, convolved: Id, inner: int) -> Id:
    """Normalized queries or keys; Qwen 3 Next repeats them for each of the value's heads."""
    width = (block.rows("attn_qkv.weight") - inner) // 2
    normed = scene.graph.within(scene.over(width, convolved))
    return scene.add(inner, normed) if block.has("ssm_ba.weight") and width != inner else normed


def _gates(scene: Scene, block: Block, x: Id) -> tuple[Id, Id]:
    graph = scene.graph
    if block.has("ssm_ba.weight"):
        both = scene.product(block, "ssm_ba.weight", x)
        half = block.rows("ssm_ba.weight") // 2
        biased = scene.within(scene.add(half, both), *scene.weight(block, "ssm_dt.bias"))
        return _decay(scene, block, biased), graph.within(scene.add(half, both))
    heads = block.rows("ssm_alpha.weight")
    product = scene.product(block, "ssm_alpha.weight", x)  # its views are not written over
    decay = _decay(scene, block, scene.over(heads, product, *scene.weight(block, "ssm_dt.bias")))
    return decay, scene.over(heads, scene.product(block, "ssm_beta.weight", x))


def _decay(scene: Scene, block: Block, biased: Id) -> Id:
    return scene.within(scene.graph.within(biased), *scene.weight(block, "ssm_a"))


def _short_convolution(scene: Scene, block: Block, x: Id) -> Id:
    graph, width = scene.graph, scene.geo.embedding
    before = _state(scene, block, block.keeps.conv_state)
    parts = scene.product(block, "shortconv.in_proj.weight", x, beside=scene.sequences)
    gated = scene.add(width, parts)
    size = graph.nodes[gated].size + graph.nodes[before].size
    window = graph.add(size, scene.part(graph.nodes[before].size, before), gated)
    _kept(scene, block, _last(scene, window), window)
    pick_ahead(scene, block)
    convolved = scene.add(width, window, *scene.weight(block, "shortconv.conv.weight"))
    opened = graph.within(convolved, scene.columns(width, parts))
    return scene.product(block, "shortconv.out_proj.weight", opened, beside=scene.sequences)
