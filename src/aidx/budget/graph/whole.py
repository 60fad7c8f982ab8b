"""The whole graph: inputs, blocks one after the other, and the output."""

from collections.abc import Mapping

from msgspec.structs import replace

from aidx.budget.arena import Graph, Id
from aidx.budget.geometry import Block, Geometry
from aidx.budget.graph import gemma4
from aidx.budget.graph.attention import attention
from aidx.budget.graph.feedforward import feed_forward
from aidx.budget.graph.inputs import Start, open_scene
from aidx.budget.graph.recurrent import pick_ahead, recurrent
from aidx.budget.graph.scene import F32, Scene, Spread
from aidx.budget.settings import Settings

NORM, OUTPUT = "output_norm.weight", "output.weight"  # the last norm and product, whatever a file calls them
# Norms after a part, where they are called otherwise than in other families.
_MIXED_NORMS: Mapping[str, str] = {"grok": "attn_output_norm.weight"}
_FED_NORMS: Mapping[str, str] = {"grok": "layer_output_norm.weight"}
_CENTRED = frozenset({"dbrx", "olmo", "orion"})  # norms that take the mean off have memory of their own
_RESIDUAL_FIRST = frozenset({"lfm2", "phi3", "phimoe"})  # families that add the feed-forward part to what was there


def build(geo: Geometry, settings: Settings, *, on_gpu: bool, spread: Spread | None = None) -> Graph:
    """The graph of every block and the output, on one device or *spread* over several.

    *on_gpu*: its inputs come from the host.
    """
    graph = Graph()
    walk = _Walk(open_scene(graph, geo, settings, on_gpu=on_gpu, spread=spread))
    for block in geo.blocks[:-1]:
        walk.through(block)
    walk.end(geo.blocks[-1])
    return graph


class _Walk:
    """The way of a batch through the blocks; *hidden* is where it stands."""

    def __init__(self, start: Start) -> None:
        self.scene = start.scene
        pick_ahead(self.scene, None)
        self.start = start
        self.hidden = start.embedded
        self.extra: Id | None = None  # the embeddings of all blocks, once the first block needs them

    def through(self, block: Block) -> None:
        """One block: mixing, residual, feed-forward, residual."""
        scene = self.scene
        out = _normed(scene, block, _mixed(scene, block, self.hidden))
        add = _onto if block.recurrent else _residual  # a recurrent block hands out a view: not written over
        self.hidden = self._rest(scene, block, add(scene, out, self.hidden))

    def end(self, block: Block) -> None:
        """The last block mixes all tokens; the rest is computed for those whose logits are asked for."""
        scene = self.scene
        outputs = min(scene.settings.n_ctx, scene.settings.n_ubatch, scene.settings.n_outputs)
        few = replace(scene, tokens=outputs)
        width, kept = scene.geo.embedding, []
        if scene.geo.architecture == "lfm2":  # what was there comes first in its sums
            scene.waiting.append(lambda: kept.append(self._picked(few, self.hidden, width)))
        out = _normed(few, block, self._picked(few, _mixed(scene, block, self.hidden), width))
        middle = _residual(few, out, kept[0] if kept else self._picked(few, self.hidden, width))
        norm = few.norm if scene.geo.architecture in _CENTRED else few.norm_in_place
        final = norm(self._rest(few, block, middle), *few.shared(NORM))
        scene.graph.add(F32 * scene.geo.vocab * outputs, *few.shared(OUTPUT), final, rows=outputs)

    def _picked(self, few: Scene, source: Id, width: int) -> Id:
        """The rows of *source* that are asked for."""
        return few.graph.add(F32 * width * few.tokens, source, self.start.picked)

    def _rest(self, scene: Scene, block: Block, middle: Id) -> Id:
        """Of one block what follows its mixing, for the tokens of *scene*."""
        out = _closed(scene, block, _fed(scene, block, middle))
        first = scene.geo.architecture in _RESIDUAL_FIRST
        hidden = scene.graph.sum(middle, out) if first else scene.graph.sum(out, middle)
        if self.start.extra is not None:
            opened = gemma4.gate(scene, block, hidden)
            if self.extra is None:
                self.extra = gemma4.embeddings(self.scene, self.start.embedded, self.start.extra)
            width = scene.geo.extra // len(scene.geo.every)
            extra = scene.part(F32 * width * self.scene.tokens, self.extra)
            if scene is not self.scene:
                extra = self._picked(scene, extra, width)
            hidden = gemma4.let_through(scene, block, opened, extra, hidden)
        if block.has("layer_output_scale.weight"):
            hidden = scene.within(hidden, *scene.weight(block, "layer_output_scale.weight"))
        return hidden


def _mixed(scene: Scene, block: Block, hidden: Id) -> Id:
    x = _biased(scene, block, scene.norm(hidden, *scene.weight(block, "attn_norm.weight")), "attn_norm.bias")
    return recurrent(scene, block, x) if block.recurrent else attention(scene, block, x)


def _normed(scene: Scene, block: Block, out: Id) -> Id:
    """What was mixed, normalized; where there is no other norm before the feed-forward part, this one is that."""
    if block.recurrent or not block.has("ffn_norm.weight"):
        return out
    return _normed_by(scene, block, out, _MIXED_NORMS.get(scene.geo.architecture, "post_attention_norm.weight"))


def _closed(scene: Scene, block: Block, out: Id) -> Id:
    """What the feed-forward part says, normalized where it is."""
    return _normed_by(scene, block, out, _FED_NORMS.get(scene.geo.architecture, "post_ffw_norm.weight"))


def _normed_by(scene: Scene, block: Block, out: Id, name: str) -> Id:
    return scene.norm_in_place(out, *scene.weight(block, name)) if block.has(name) else out


def _residual(scene: Scene, out: Id, hidden: Id) -> Id:
    """Both added up; LFM 2 adds to what was there."""
    return scene.graph.sum(hidden, out) if scene.geo.architecture == "lfm2" else scene.graph.sum(out, hidden)


def _onto(scene: Scene, out: Id, hidden: Id) -> Id:
    """Both added up, *out* being a view."""
    lfm2 = scene.geo.architecture == "lfm2"
    return scene.graph.within(hidden, out) if lfm2 else scene.graph.onto(hidden, out)


def _fed(scene: Scene, block: Block, middle: Id) -> Id:
    if scene.geo.architecture == "gemma4":
        return gemma4.feed_forward(scene, block, middle)
    norm = "ffn_norm.weight" if block.has("ffn_norm.weight") else "post_attention_norm.weight"
    x = scene.norm(middle, *scene.weight(block, norm))
    return feed_forward(scene, block, _biased(scene, block, x, "ffn_norm.bias"))


def _biased(scene: Scene, block: Block, normed: Id, name: str) -> Id:
    return scene.within(normed, *scene.weight(block, name)) if block.has(name) else normed
