"""Attention over a KV cache: separate or fused projections, gated queries, and latent attention (MLA)."""

from aidx.budget import kv
from aidx.budget.arena import NOT_BY_WEIGHTS, Id
from aidx.budget.buffers import CUDA
from aidx.budget.geometry import Block
from aidx.budget.graph.recurrent import pick_ahead
from aidx.budget.graph.scene import F32, Cache, Scene
from aidx.budget.placement import HOST
from aidx.budget.settings import pad
from aidx.model.tensor import TYPES, row_bytes

F16 = 2
_TURNED_FIRST = frozenset({"hunyuan-dense", "hunyuan-moe", "maincoder"})  # heads get their norm after their positions
_NORMED_WHOLE = frozenset({"minimax-m2", "olmoe"})  # all heads get one norm, be it a single head


def attention(scene: Scene, block: Block, x: Id) -> Id:
    """Self-attention of *block* over the normalized *x*; the result is as wide as the embedding."""
    if not block.reads.value_dim:
        return _latent(scene, block, x)
    cache = scene.caches[block.reads.window is not None]
    gate = None
    if block.has("attn_qkv.weight"):
        query = _fused(scene, block, cache, x)
    elif block.has("attn_kv_b.weight"):
        query = _unfolded(scene, block, cache, x)
    else:
        query, gate = _separate(scene, block, cache, x)
    out = _attend(scene, block, cache, query)
    if gate is not None:
        opened = scene.graph.within(scene.add(block.heads * block.reads.key_dim, gate))
        # Flash attention hands out a view, which is not written over; without it the copy of the heads is.
        out = scene.graph.within(opened, out) if scene.settings.flash_attn else scene.graph.within(out, opened)
    return _projection(scene, block, "attn_output", out)


def _separate(scene: Scene, block: Block, cache: Cache, x: Id) -> tuple[Id, Id | None]:
    """Q, then K and V in the family's order, stored; the query and, where queries are gated, the gate."""
    width = block.heads * block.reads.key_dim
    raw = _projection(scene, block, "attn_q", x)
    gated = block.rows("attn_q.weight") == 2 * width
    # Where queries are gated, each head's stands before its gate.
    half = scene.part(scene.graph.nodes[raw].size - F32 * block.reads.key_dim, raw) if gated else raw
    query = _positioned(scene, block, "attn_q_norm.weight", half, width)
    query = _rotated(scene, query, cache.key_rotation)
    if block.keeps.kv_heads:
        _keep(scene, block, cache, *_stored(scene, block, cache, x))
    return query, half if gated else None


def _keep(scene: Scene, block: Block, cache: Cache, key: Id, value: Id) -> None:
    scene.store(block, key, cache.keys)
    if scene.widest > _value_width(block):
        value = scene.add(scene.widest, value)
    scene.store(block, value, cache.values)


def _stored(scene: Scene, block: Block, cache: Cache, x: Id) -> tuple[Id, Id]:
    """K and V; models with windows compute K first, and Gemma 4 may take both from one product."""
    if not block.has("attn_v.weight"):
        raw = _projection(scene, block, "attn_k", x)
        key = _turned(scene, block, cache, raw)
        return key, _rotated(scene, scene.add(_value_width(block), raw), cache.value_rotation)
    if scene.geo.windowed:
        key = _turned(scene, block, cache, _projection(scene, block, "attn_k", x))
        return key, _value(scene, block, cache, x)
    value = _value(scene, block, cache, x)
    return _turned(scene, block, cache, _projection(scene, block, "attn_k", x)), value


def _fused(scene: Scene, block: Block, cache: Cache, x: Id) -> Id:
    """Q, K and V as views of one product; V is copied where it is stored transposed, or rotated."""
    together = _projection(scene, block, "attn_qkv", x)
    width = block.heads * block.reads.key_dim
    query = _positioned(scene, block, "attn_q_norm.weight", scene.columns(width, together), width)
    query = _rotated(scene, scene.graph.within(query), cache.key_rotation)
    value = scene.columns(_value_width(block), together)
    if cache.value_rotation is not None:
        value = _rotated(scene, scene.add(_value_width(block), value), cache.value_rotation)
    key = _turned(scene, block, cache, scene.columns(_key_width(block), together))
    scene.store(block, key, cache.keys)
    if not scene.settings.flash_attn:
        value = scene.add(_value_width(block), value)
    scene.store(block, value, cache.values)
    return query


def _projection(scene: Scene, block: Block, name: str, x: Id) -> Id:
    out = scene.product(block, f"{name}.weight", x)
    return scene.within(out, *scene.weight(block, f"{name}.bias")) if block.has(f"{name}.bias") else out


def _turned(scene: Scene, block: Block, cache: Cache, raw: Id) -> Id:
    return _rotated(scene, _positioned(scene, block, "attn_k_norm.weight", raw, _key_width(block)), cache.key_rotation)


def _value(scene: Scene, block: Block, cache: Cache, x: Id) -> Id:
    value = _projection(scene, block, "attn_v", x)
    if scene.geo.architecture == "gemma4":
        value = scene.over(_value_width(block), value)
    return _rotated(scene, value, cache.value_rotation)


def _positioned(scene: Scene, block: Block, norm: str, raw: Id, width: int) -> Id:
    """*raw* with positions; a norm before them makes the copy that they then take over."""
    if not block.has(norm):
        return scene.turned(block, width, raw) if block.rotary else raw
    whole = width != block.reads.key_dim or scene.geo.architecture in _NORMED_WHOLE
    if block.length(norm) == width and whole:  # all heads at once, before they are told apart
        return scene.turned(block, width, scene.norm_in_place(raw, *scene.weight(block, norm)))
    heads = width // block.reads.key_dim
    if scene.geo.architecture in _TURNED_FIRST:
        turned = scene.graph.within(scene.turned(block, width, raw))
        return scene.within(turned, *scene.weight(block, norm), rows=heads)
    normed = scene.within(scene.over(width, raw), *scene.weight(block, norm), rows=heads)
    return scene.turned_in_place(block, normed) if block.rotary else normed


def _rotated(scene: Scene, source: Id, rotation: Id | None, *, width: int | None = None) -> Id:
    if rotation is None:
        return source
    size = scene.graph.nodes[source].size if width is None else F32 * width * scene.tokens
    return scene.graph.add(size, source, rotation)


def _attend(scene: Scene, block: Block, cache: Cache, query: Id) -> Id:
    """The weighted values of all heads."""
    out = block.heads * block.reads.value_dim
    if scene.settings.flash_attn:
        attended = _flash(scene, block, cache, query, block.reads.value_dim)
        pick_ahead(scene, block)
        return _rotated(scene, attended, cache.value_rotation, width=out)
    keys, values = _fetched(scene, block, block.reads.value_dim)
    weights = _weights(scene, block, cache, query, keys)
    attended = scene.add(out, scene.add(out, *values, weights))
    pick_ahead(scene, block)
    return attended


def _flash(scene: Scene, block: Block, cache: Cache, query: Id, value: int) -> Id:
    """Flash attention with *value* elements of V a head; a cache of f32 is converted to f16 before it."""
    out = F32 * block.heads * value * scene.tokens
    keys, values = _fetched(scene, block, value)
    if scene.settings.cache_type_k == "f32":
        keys = (scene.graph.add(_as_f16(scene, block, block.reads.key_dim), *keys),)
    if scene.settings.cache_type_v == "f32":
        values = (scene.graph.add(_as_f16(scene, block, value), *values),)
    sinks = scene.weight(block, "attn_sinks.weight")
    copies = _copies(scene, block, out, value)
    size, scratch = (out + copies, 0) if scene.spread is None else (out, copies)
    inputs = (query, *keys, *values, *_mask(cache), *sinks)
    return scene.graph.add(size, *inputs, rows=NOT_BY_WEIGHTS, scratch=scratch)


def _fetched(scene: Scene, block: Block, value: int) -> tuple[tuple[Id, ...], tuple[Id, ...]]:
    """K and V, *value* elements a head, where the cache has a place of its own."""
    if scene.spread is None:
        return (), ()
    side = scene.spread.blocks[block.source]
    rows = block.reads.kv_heads * kv.cells(block.reads, scene.settings) * scene.settings.n_stream
    key = CUDA.allocated(TYPES[scene.settings.cache_type_k], block.reads.key_dim, rows)
    size = CUDA.allocated(TYPES[scene.settings.cache_type_v], value, rows)
    more = scene.widest - block.reads.kv_heads * value
    if more > 0 and block.reads.value_dim:  # other streams lie behind rows that this block does not have
        skipped = kv.cells(block.reads, scene.settings) * (scene.settings.n_stream - 1)
        size += row_bytes(TYPES[scene.settings.cache_type_v], 1) * more * skipped
    if not block.reads.value_dim:  # V is a part of each row of K, from the first to the last
        kind = TYPES[scene.settings.cache_type_k]
        size = row_bytes(kind, block.reads.key_dim) * (rows - 1) + CUDA.filled(kind, value)
    return (scene.graph.stored(key, side, weight=False),), (scene.graph.stored(size, side, weight=False),)


def _as_f16(scene: Scene, block: Block, width: int) -> int:
    """Bytes of the cache that *block* reads, *width* elements a head, in f16."""
    rows = kv.cells(block.reads, scene.settings) * scene.settings.n_stream
    return F16 * rows * block.reads.kv_heads * width


def _weights(scene: Scene, block: Block, cache: Cache, query: Id, keys: tuple[Id, ...]) -> Id:
    """One weight a head, a token and a cell that it may see."""
    seen = kv.cells(block.reads, scene.settings)
    weights = scene.add(block.heads * seen, *keys, query)
    sinks = scene.weight(block, "attn_sinks.weight")
    return scene.within(weights, *_mask(cache), *sinks, rows=block.heads)


def _copies(scene: Scene, block: Block, out: int, value: int) -> int:
    """Bytes beyond the *out* bytes of its result that flash attention allocates: f16 copies of K and of V.

    V that is a part of K is not copied again, unless each of them was fetched by itself.
    """
    end, settings = out, scene.settings
    away = scene.spread is not None and scene.spread.blocks[block.source] == HOST
    apart = bool(block.reads.value_dim) or away
    for kind, width in (
        (settings.cache_type_k, block.reads.key_dim),
        (settings.cache_type_v if block.reads.value_dim else settings.cache_type_k, value if apart else 0),
    ):
        if scene.copies and kv.is_copied(kind):
            end = pad(end, CUDA.alignment) + _as_f16(scene, block, width)
    return end - out


def _latent(scene: Scene, block: Block, x: Id) -> Id:
    """MLA: queries are taken into the latent space; V is the latent part of K."""
    cache = scene.caches[False]
    latent = block.length("attn_kv_a_norm.weight")
    rope = block.reads.key_dim - latent
    query = _latent_query(scene, block, x, latent, rope)
    both = scene.product(block, "attn_kv_a_mqa.weight", x)
    compressed = scene.within(scene.add(latent, both), *scene.weight(block, "attn_kv_a_norm.weight"))
    position = scene.turned(block, rope, both)
    scene.store(block, scene.add(latent + rope, compressed, position), cache.keys)
    attended = _attend_latent(scene, block, cache, query, latent)
    wide = block.heads * block.rows("attn_v_b.weight")
    values = scene.product(block, "attn_v_b.weight", attended, width=wide, beside=scene.settings.n_stream)
    return scene.product(block, "attn_output.weight", scene.add(wide, values))


def _latent_query(scene: Scene, block: Block, x: Id, latent: int, rope: int) -> Id:
    query = _low_query(scene, block, x)
    absorbed = scene.product(block, "attn_k_b.weight", query, width=block.heads * latent)
    position = scene.turned(block, block.heads * rope, query)
    return scene.add(block.heads * (latent + rope), absorbed, position)


def _low_query(scene: Scene, block: Block, x: Id) -> Id:
    """The queries, through a low rank where there is one."""
    if block.has("attn_q_a.weight"):
        low = scene.product(block, "attn_q_a.weight", x)
        low = scene.norm_in_place(low, *scene.weight(block, "attn_q_a_norm.weight"))
        return scene.product(block, "attn_q_b.weight", low)
    return scene.product(block, "attn_q.weight", x)


def _unfolded(scene: Scene, block: Block, cache: Cache, x: Id) -> Id:
    """MLA as files of 2024 have it: K and V of every head are made of the latent and stored, as if there was none."""
    latent = block.length("attn_kv_a_norm.weight")
    rope = block.rows("attn_kv_a_mqa.weight") - latent
    raw = _low_query(scene, block, x)
    query = _rotated(scene, scene.turned(block, block.heads * block.reads.key_dim, raw), cache.key_rotation)
    both = scene.product(block, "attn_kv_a_mqa.weight", x)
    compressed = scene.within(scene.add(latent, both), *scene.weight(block, "attn_kv_a_norm.weight"))
    heads = scene.product(block, "attn_kv_b.weight", compressed)
    value = _rotated(scene, scene.add(_value_width(block), heads), cache.value_rotation)
    position = scene.add(block.heads * rope, scene.turned(block, rope, both))
    key = _rotated(scene, scene.add(_key_width(block), heads, position), cache.key_rotation)
    _keep(scene, block, cache, key, value)
    return query


def _attend_latent(scene: Scene, block: Block, cache: Cache, query: Id, latent: int) -> Id:
    out = block.heads * latent
    if scene.settings.flash_attn:
        return _flash(scene, block, cache, query, latent)
    rows = kv.cells(block.reads, scene.settings) * scene.settings.n_stream
    keys, values = _fetched(scene, block, latent)
    turned = scene.graph.add(rows * latent * TYPES[scene.settings.cache_type_k].size, *values)
    return scene.add(out, turned, _weights(scene, block, cache, query, keys))


def _key_width(block: Block) -> int:
    return block.reads.kv_heads * block.reads.key_dim


def _value_width(block: Block) -> int:
    return block.reads.kv_heads * block.reads.value_dim


def _mask(cache: Cache) -> tuple[Id, ...]:
    return () if cache.mask is None else (cache.mask,)
