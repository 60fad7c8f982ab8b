"""The whole graph: inputs, blocks one after the other, and the output."""

from msgspec.structs import replace

from aidx.budget.arena import Graph, Id
from aidx.budget.geometry import Block, Geometry
from aidx.budget.graph import gemma4
from aidx.budget.graph.attention import attention
from aidx.budget.graph.feedforward import feed_forward
from aidx.budget.graph.inputs import Start, open_scene
from aidx.budget.graph.recurrent import recurrent
from aidx.budget.graph.scene import F32, NOTHING_AWAY, Away, Scene
from aidx.budget.settings import Settings

_RESIDUAL_FIRST = frozenset({"phi3", "lfm2"})  # families that add the feed-forward part to what was there


def build(geo: Geometry, settings: Settings, *, on_gpu: bool, away: Away = NOTHING_AWAY) -> Graph:
    """The graph of every block and the output on one device.

    *on_gpu*: its inputs come from the host, and so does what is *away*.
    """
    graph = Graph()
    walk = _Walk(open_scene(graph, geo, settings, on_gpu=on_gpu, away=away))
    for block in geo.blocks[:-1]:
        walk.through(block)
    walk.end(geo.blocks[-1])
    return graph


class _Walk:
    """The way of a batch through the blocks; *hidden* is where it stands."""

    def __init__(self, start: Start) -> None:
        self.scene = start.scene
        self.start = start
        self.hidden = start.embedded
        self.extra: Id | None = None  # the embeddings of all blocks, once the first block needs them

    def through(self, block: Block) -> None:
        """One block: mixing, residual, feed-forward, residual."""
        graph = self.scene.graph
        middle = _residual(self.scene, block, _mixed(self.scene, block, self.hidden), self.hidden)
        out = _fed(self.scene, block, middle)
        if block.has("post_ffw_norm.weight"):
            out = self.scene.norm_in_place(out, *self.scene.weight(block, "post_ffw_norm.weight"))
        first = self.scene.geo.architecture in _RESIDUAL_FIRST
        self.hidden = graph.sum(middle, out) if first else graph.sum(out, middle)
        scale = self.scene.weight(block, "layer_output_scale.weight")
        if self.start.extra is not None:
            opened = gemma4.gate(self.scene, block, self.hidden)
            if self.extra is None:
                self.extra = gemma4.embeddings(self.scene, self.start.embedded, self.start.extra)
            self.hidden = gemma4.let_through(self.scene, block, opened, self.extra, self.hidden)
        if scale:
            self.hidden = graph.within(self.hidden, *scale)

    def end(self, block: Block) -> None:
        """The last block mixes all tokens; the rest is computed for those whose logits are asked for."""
        scene = self.scene
        outputs = min(scene.tokens, scene.settings.n_outputs)
        row = F32 * scene.geo.embedding * outputs
        mixed = _mixed(scene, block, self.hidden)
        few = replace(scene, tokens=outputs)
        out, hidden = (scene.graph.add(row, source, self.start.picked) for source in (mixed, self.hidden))
        middle = scene.graph.sum(out, hidden)
        final = few.norm(scene.graph.sum(_fed(few, block, middle), middle))
        scene.graph.add(F32 * scene.geo.vocab * outputs, final)


def _mixed(scene: Scene, block: Block, hidden: Id) -> Id:
    x = scene.norm(hidden, *scene.weight(block, "attn_norm.weight"))
    if block.recurrent:
        return recurrent(scene, block, x)
    out = attention(scene, block, x)
    # Where there is no other norm before the feed-forward part, this one is it.
    if block.has("post_attention_norm.weight") and block.has("ffn_norm.weight"):
        return scene.norm_in_place(out, *scene.weight(block, "post_attention_norm.weight"))
    return out


def _residual(scene: Scene, block: Block, out: Id, hidden: Id) -> Id:
    """A recurrent block hands out a view, which is not written over."""
    return scene.graph.within(hidden, out) if block.recurrent else scene.graph.sum(out, hidden)


def _fed(scene: Scene, block: Block, middle: Id) -> Id:
    if scene.geo.architecture == "gemma4":
        return gemma4.feed_forward(scene, block, middle)
    norm = "ffn_norm.weight" if block.has("ffn_norm.weight") else "post_attention_norm.weight"
    return feed_forward(scene, block, scene.norm(middle, *scene.weight(block, norm)))
