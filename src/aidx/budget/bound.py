"""A bound for the compute buffer where the graph is not replayed: never under the engine's, from shapes alone.

The engine keeps a tensor of f32 for each result that somebody still needs. What can be alive at once is bounded
part by part: what comes in and the stream between blocks always, and of one block's attention and feed-forward
part whichever takes more. Nothing is asked of a block but the shapes of its tensors and what it keeps, so an
unknown layout is bounded too. ``tests/e2e/test_bound.py`` holds the bound against the engine for every family.
"""

from collections.abc import Mapping

from msgspec import Struct

from aidx.budget import kv
from aidx.budget.compute import Buffer
from aidx.budget.placement import HOST, Placement
from aidx.budget.settings import Settings
from aidx.budget.sides import OFFLOADED_ROWS
from aidx.budget.weights import allocated
from aidx.model.metadata import find_int, find_ints
from aidx.model.spec import Layer, ModelSpec
from aidx.model.tensor import TYPES, Tensor

F16, F32, I64 = 2, 4, 8
_SENT = 3  # tensors as wide as the embedding on a GPU: looked up, given ready, and mixed
_LOOKED_UP = 4  # the same on the host, which looks up
_PAD = 1 << 20  # bytes of small inputs and tensors and of alignment: more than were ever seen
_DECAYS = "minimax-01"
_STATES = 6  # copies of a block's states while they are brought up to date
_MIXED = 6  # copies of side-by-side streams while they are mixed
_STACKS = 3  # copies of what every so many blocks left: as it was, with one more, and normalized
_HOLES = 8  # a part of the smaller half of a block that the larger cannot use
_TORN = 4  # a part more for holes of the wrong size where the graph is cut into pieces
_FETCHED = 3  # weights, and caches of each kind, on their way to a GPU at a time

Shape = tuple[int, ...]

# Families whose graph is replayed (``compute``), to the engine's very bytes.
_NAMES = """
bailingmoe bailingmoe2 chatglm dbrx deepseek deepseek2 dots1 ernie4_5 ernie4_5-moe exaone exaone-moe gemma gemma2
gemma3 gemma4 glm4 glm4moe gpt-oss granite granitemoe grok hunyuan-dense hunyuan-moe internlm2 lfm2 llama maincoder
mellum mimo2 minicpm minimax-m2 mistral3 mistral4 olmo olmoe orion paddleocr pangu-embedded phi3 phimoe qwen qwen2
qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next seed_oss smollm3 xverse
"""
_REPLAYED = frozenset(_NAMES.split())


def is_replayed(architecture: str) -> bool:
    """Whether the graph of *architecture* is replayed, on one device or several."""
    return architecture in _REPLAYED


class _Block(Struct, frozen=True):
    """One block: the shapes of its tensors without ``blk.N.``, its query heads, what it keeps."""

    shapes: Mapping[str, Shape]
    heads: int
    keeps: Layer

    def rows(self, *names: str) -> int:
        """Outputs of the matrices *names* together."""
        found = (self.shapes.get(f"{name}.weight", ()) for name in names)
        return sum(shape[1] for shape in found if len(shape) > 1)

    @property
    def side_by_side(self) -> bool:
        """Whether attention and feed-forward part start from the same norm: there is none between them."""
        return not self.shapes.keys() & {"ffn_norm.weight", "post_attention_norm.weight"}

    def inner(self, name: str) -> int:
        """Inputs of the matrix *name*."""
        return self.shapes.get(f"{name}.weight", (0,))[0]


class Bound:
    """The bound for one model; the blocks are sorted out once."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.layers = model.layers or ()
        self._blocks = _distinct(model, self.layers)
        # Blocks without a cache of their own may read earlier ones'.
        self._borrows = any(not layer.kv_heads + layer.conv_state + layer.recurrent_state for layer in self.layers)
        metadata = model.header.metadata
        self._used = max(find_ints(metadata, "expert_used_count", model.block_count) or (0,))
        self._indexers = find_int(metadata, "attention.indexer.head_count") or 0
        deep = find_int(metadata, "n_deepstack_layers") or 0
        self._fed = 1 + deep + (deep + 1) // 2
        shapes = {tensor.name: tensor.shape for tensor in model.tensors if tensor.layer is None}
        hashed = "ple.layers" in {key.split(".", 1)[-1] for key in metadata}
        self._placed = 2 * ("position_embd.weight" in shapes or hashed)
        heads = max((block.heads for block in self._blocks), default=0)
        self._decaying = heads if model.architecture == _DECAYS else 0
        self._extra = shapes.get("per_layer_token_embd.weight", (0,))[0]
        self._streams = 1 + shapes.get("altup_proj.weight", (0, 0, 0))[-1]
        apart = find_int(metadata, "attn_res.block_size")
        self._stacked = 1 + -(-len(self.layers) // apart) if apart else 0

    def __call__(self, settings: Settings, placement: Placement, device: str) -> Buffer:
        """The compute buffer on *device* without scratch."""
        tokens = -(-min(settings.n_ctx, settings.n_ubatch) // settings.parallel) * settings.parallel
        wide = F32 * tokens * self.model.embedding_length
        size = _PAD + self._inputs(settings, tokens, device) + self._around(tokens, wide)
        if device != HOST or self._computes(settings, placement, tokens):
            size += self._as_f16(settings)
            size += max((self._block(block, settings, tokens) for block in self._blocks), default=0)
            size += F32 * self.model.vocab_size * settings.parallel
        elif HOST in placement.blocks:
            size += self._sent_back(settings, tokens, wide)
        if device != HOST and (HOST in placement.blocks or placement.cpu_moe):
            size += self._fetched(settings, placement, tokens)
            size += size // _TORN
        if len(placement.gpus) > 1:
            size += self._handed_over(settings, placement, tokens, device)
        return Buffer(size, f"a bound from tensor shapes: {tokens} tokens at once over {settings.n_ctx:,} cells")

    def _inputs(self, settings: Settings, tokens: int, device: str) -> int:
        """What comes in: as wide as the embedding, and for the caches."""
        wide = F32 * tokens * self.model.embedding_length
        sent = (_LOOKED_UP if device == HOST else _SENT) + self._placed
        size = sent * self._fed * wide + self._caches(settings, tokens)
        # Decay from each token of a sequence to each other, for every head; so are weights, before and after it.
        return size + 3 * F32 * self._decaying * tokens * tokens // settings.parallel

    def _sent_back(self, settings: Settings, tokens: int, wide: int) -> int:
        """What a host that only keeps blocks takes beside inputs: K and V of a batch, and inputs of its own."""
        beside = 4 * any(block.side_by_side for block in self._blocks)
        size = self._caches(settings, tokens) + (_LOOKED_UP + 2 * self._placed + beside) * wide
        size += F32 * tokens * max((_stored(layer) for layer in self.layers), default=0)
        converted = self._as_f16(settings)
        if converted or not settings.flash_attn:  # attends where the cache lies
            size += converted + max((self._attention(block, settings, tokens) for block in self._blocks), default=0)
        return size

    def _as_f16(self, settings: Settings) -> int:
        """K and V in f16, to which flash attention converts a cache of f32; V may be a part of K."""
        if not settings.flash_attn:
            return 0
        size = 0
        for layer in self.layers:
            key = layer.key_dim if settings.cache_type_k == "f32" else 0
            value = (layer.value_dim if settings.cache_type_v == "f32" else 0) if layer.value_dim else key
            size = max(size, F16 * kv.cells(layer, settings) * settings.n_stream * layer.kv_heads * (key + value))
        return size

    def _handed_over(self, settings: Settings, placement: Placement, tokens: int, device: str) -> int:
        """What several GPUs keep beside their own: copies of inputs, rows that cross a border, borrowed caches."""
        inputs = self._inputs(settings, tokens, device) + F32 * tokens * self._extra
        if device == HOST:
            return (placement.copies - 1) * inputs
        widest = kv.value_width(self.layers, settings)
        readers = self._borrows * placement.blocks.count(device)
        largest = max(
            (kv.layer_bytes(layer, settings, device=device, widest=widest) for layer in self.layers), default=0
        )
        carried = 3 * self._streams * F32 * tokens * self.model.embedding_length
        picked = max((layer.index_key and kv.cells(layer, settings) for layer in self.layers), default=0)
        carried += F32 * tokens * picked * 2 * (3 * self._indexers + 8)
        return placement.copies * (inputs + carried + readers * largest)

    def _computes(self, settings: Settings, placement: Placement, tokens: int) -> bool:
        """Whether the host computes blocks: without a GPU, in small batches, and where states lie."""
        if not placement.pinned:
            return True
        away = HOST in placement.blocks or placement.cpu_moe > 0
        states = any(layer.conv_state + layer.recurrent_state for layer in self.layers)
        return away and (tokens // settings.n_stream < OFFLOADED_ROWS or states)

    def _fetched(self, settings: Settings, placement: Placement, tokens: int) -> int:
        """What a GPU fetches from the host, some of it at a time: weights, K and V; weights of heads, torn apart."""
        away = [
            allocated(tensor, "gpu0")
            for tensor in self.model.tensors
            if _multiplied(tensor, settings) and HOST in placement.holders(tensor)
        ]
        widest = kv.value_width(self.layers, settings)
        caches = {False: 0, True: 0}
        for layer, where in zip(self.layers, placement.blocks, strict=True):
            if where == HOST:
                size = kv.layer_bytes(layer, settings, device="gpu0", widest=widest)
                caches[layer.window is not None] = max(caches[layer.window is not None], size)
        size = sum(sorted(away)[-_FETCHED:]) + (1 + self._borrows) * _FETCHED * sum(caches.values())
        return size + self._torn_weights(settings, tokens)

    def _torn_weights(self, settings: Settings, tokens: int) -> int:
        """Weights of every head for every cell once more where an indexer works beside them.

        Its mask is made after them and outlives them; so what the next block starts from may stand in their hole.
        """
        if settings.flash_attn:
            return 0
        seen = (block.heads * kv.cells(block.keeps, settings) for block in self._blocks if block.keeps.index_key)
        return F32 * tokens * max(seen, default=0)

    def _caches(self, settings: Settings, tokens: int) -> int:
        """What is handed in for each kind of cache: masks, and places, one an element where V is transposed."""
        widest = kv.value_width(self.layers, settings) or 1
        element = 2 if settings.flash_attn else F32
        kinds = {layer.window is not None: layer for layer in self.layers if layer.kv_heads}
        size = sum(
            tokens * (element * kv.cells(layer, settings) + I64 * (2 + widest)) + 2 * F32 * _rotated(layer, settings)
            for layer in kinds.values()
        )
        # An indexer's cache has a mask of its own, and so has what it picks.
        picked = any(layer.index_key for layer in self.layers)
        return size + 2 * F32 * tokens * settings.n_ctx_seq if picked else size

    def _around(self, tokens: int, wide: int) -> int:
        """Embeddings that blocks have of their own, streams side by side, and what earlier blocks left (Kimi K3)."""
        mixed = _MIXED * self._streams * wide if self._streams > 1 else 0
        return 3 * F32 * tokens * self._extra + mixed + _STACKS * self._stacked * wide

    def _block(self, block: _Block, settings: Settings, tokens: int) -> int:
        """What one block may take beside what comes in."""
        width = self.model.embedding_length
        states = F32 * _STATES * (block.keeps.conv_state + block.keeps.recurrent_state) * settings.parallel
        smaller, larger = sorted((self._attention(block, settings, tokens), F32 * tokens * self._feed_forward(block)))
        if block.side_by_side:  # each part waits for the other, and what both start from is kept
            return larger + smaller + F32 * tokens * 5 * width + states
        # The larger part finds the holes of the smaller one too small, the more so the larger it is.
        return larger + smaller // (_HOLES if settings.flash_attn else 2) + F32 * tokens * 2 * width + states

    def _attention(self, block: _Block, settings: Settings, tokens: int) -> int:
        """Projections and what they become; without flash attention, weights of every head for every cell."""
        unit, keeps = F32 * tokens, block.keeps
        cells = kv.cells(keeps, settings)
        recurrent = bool(keeps.conv_state + keeps.recurrent_state)
        width = 2 * _outputs(block, ("attn_", "indexer.")) + 2 * block.inner("attn_output")
        width += 3 * _outputs(block, ("ssm_", "time_mix_", "shortconv.")) + recurrent * _outputs(block, ("attn_",))
        if not keeps.kv_heads:
            return unit * width
        if not keeps.value_dim:  # latent: queries are widened to the cached head
            width += 3 * block.heads * keeps.key_dim
        if keeps.index_key:
            width += cells * (3 * self._indexers + 8)
        if settings.flash_attn:
            return unit * width
        turned = 0 if keeps.value_dim else cells * settings.n_stream * keeps.key_dim * F32
        return unit * (width + block.heads * cells) + turned

    def _feed_forward(self, block: _Block) -> int:
        """Elements a token: gate, up and what they become, of the dense part and of the chosen experts."""
        gate, up = block.rows("ffn_gate"), block.rows("ffn_up")
        halves = up == 2 * block.inner("ffn_down")
        size = gate + up + (block.inner("ffn_down") if gate or halves else 0)
        routed = block.rows("ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps")
        if routed:
            shared = block.rows("ffn_gate_shexp", "ffn_up_shexp") + block.inner("ffn_down_shexp")
            experts, width = block.rows("ffn_gate_inp"), self.model.embedding_length
            size += width + max(
                3 * experts + self._used * (routed + block.inner("ffn_down_exps") + width),
                width + shared,
            )
        return size


def _multiplied(tensor: Tensor, settings: Settings) -> bool:
    """Whether a GPU takes products with *tensor* over from the host: not what is looked up, nor those of few rows."""
    if tensor.layer is None and tensor.name.startswith("output"):
        return settings.n_outputs >= OFFLOADED_ROWS
    return not tensor.name.endswith("_embd.weight")


def _outputs(block: _Block, beginnings: tuple[str, ...]) -> int:
    """Outputs of all matrices whose names begin so, but for those that lead back into the stream."""
    return sum(
        shape[1]
        for name, shape in block.shapes.items()
        if len(shape) > 1 and name.startswith(beginnings) and not name.startswith("attn_output")
    )


def _stored(layer: Layer) -> int:
    return layer.kv_heads * (layer.key_dim + layer.value_dim) + layer.index_key + layer.index_value


def _rotated(layer: Layer, settings: Settings) -> int:
    """Elements of what rotates heads before they are stored quantized: a square as wide as the head at most."""
    quantized = any(TYPES[kind].block > 1 for kind in (settings.cache_type_k, settings.cache_type_v))
    return max(layer.key_dim, layer.value_dim, layer.index_key) ** 2 if quantized or layer.index_key else 0


def _distinct(model: ModelSpec, layers: tuple[Layer, ...]) -> tuple[_Block, ...]:
    """The blocks of the trunk, alike ones once."""
    heads = find_ints(model.header.metadata, "attention.head_count", model.block_count) or (0,) * model.block_count
    shapes: list[dict[str, Shape]] = [{} for _ in layers]
    for tensor in model.tensors:
        number = tensor.layer
        if number is not None and number < len(layers):
            shapes[number][tensor.name.split(".", 2)[2]] = tensor.shape
    found: dict[object, _Block] = {}
    for number, layer in enumerate(layers):
        key = (tuple(shapes[number].items()), heads[number], layer)
        found.setdefault(key, _Block(shapes[number], heads[number], layer))
    return tuple(found.values())
