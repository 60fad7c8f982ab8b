"""Qwen 3.8 Flash Next: gated delta nets, and every fourth block attention that picks its tokens by an indexer.

Low-rank hyper-connections stand in place of norms; one block looks up embeddings of the last few tokens
together (PLE) and keeps the inputs of their convolution. The indexer caches a key and a pooled key a token.
"""

from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model.arch import _attention, _blocks, _delta
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.gguf.arrays import integers
from aidx.model.metadata import block_count, find_ints, full_key, read_int, read_ints, trunk_count, vocab_size
from aidx.model.spec import Array, Layer, Metadata

NAMES = ("qwen4exp",)
_ROWS = 2  # indexer_kpool_row: key and pooled key
_MOST_HEADS = 4096  # a larger number of look-ups a token is a damaged file


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """K, V and the indexer's keys in the attention blocks; a state elsewhere, a longer one with PLE."""
    length = read_int(metadata, "attention.indexer.key_length")
    pooled = any(find_ints(metadata, "attention.compress_ratios", block_count(metadata)) or ())
    history = _history(metadata)
    looks_up = _looking_up(metadata)
    return tuple(
        replace(layer, index_key=length * (_ROWS if pooled else 1))
        if layer.kv_heads
        else replace(layer, conv_state=layer.conv_state + (history if il in looks_up else 0))
        for il, layer in enumerate(_delta.layers(metadata))
    )


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """No norms but those of the hyper-connections; the last one's is the final norm."""
    width, streams = read_int(metadata, "embedding_length"), _streams(metadata)
    trunk = trunk_count(metadata)
    keeps_state, looks_up = _delta.recurrent(metadata), _looking_up(metadata)
    shape = (width, vocab_size(metadata))
    found = [
        Blank("token_embd.weight", shape),
        Blank("output.weight", shape),
        *_mixer("output_hc", metadata),
        *(_table(metadata) if looks_up else ()),
    ]
    for il, of in enumerate(_attention.heads(metadata)):
        recurrent = il < trunk and keeps_state(il)
        found += (
            *(blank for part in ("attn", "ffn") for blank in _connection(il, part, metadata)),
            *(_delta.mixer(il, metadata, _delta.separate_gates) if recurrent else _picking(il, metadata, of)),
            *(_look_up(il, metadata) if il in looks_up else ()),
            *_delta.feed_forward(il, metadata),
            *(_ahead(il, metadata, width * streams) if il >= trunk else ()),
        )
    return tuple(found)


def _streams(metadata: Metadata) -> int:
    return read_int(metadata, "hyper_connection.count")


def _looking_up(metadata: Metadata) -> frozenset[int]:
    """The blocks with PLE: the engine takes one at most."""
    listed = metadata.get(full_key(metadata, "ple.layers"))
    if listed is None:
        return frozenset()
    if not isinstance(listed, Array):
        raise InputError(f"{full_key(metadata, 'ple.layers')} is no array", hint="Convert the model again.")
    try:
        return frozenset(integers(listed))
    except InputError as error:
        raise InputError(f"{full_key(metadata, 'ple.layers')}: {error}", hint="Convert the model again.") from None


def _history(metadata: Metadata) -> int:
    """Inputs that PLE's convolution looks back on: its taps are as far apart as the tokens it joins."""
    if not _looking_up(metadata):
        return 0
    taps = max(read_int(metadata, "ple.conv_kernel") - 1, 0)
    width = _streams(metadata) * read_int(metadata, "embedding_length")
    return taps * read_int(metadata, "ple.ngram_size") * width


def _table(metadata: Metadata) -> tuple[Blank, ...]:
    """One row for each hashed group of tokens and head; converters may add rows."""
    groups = max(read_int(metadata, "ple.ngram_size") - 1, 0)
    heads = groups * read_int(metadata, "ple.heads_per_ngram")
    if heads > _MOST_HEADS:
        raise InputError(
            f"{full_key(metadata, 'ple.heads_per_ngram')} makes {heads} look-ups a token, above {_MOST_HEADS}",
            hint="Convert the model again or fetch the file again; its header is damaged.",
        )
    starts = read_ints(metadata, "ple.head_offsets", heads)
    counts = read_ints(metadata, "ple.head_vocab_sizes", heads)
    rows = max((start + count for start, count in zip(starts, counts, strict=True)), default=1)
    return (Blank("per_layer_token_embd.weight", (read_int(metadata, "embedding_length_per_layer_input"), rows)),)


def _mixer(name: str, metadata: Metadata) -> tuple[Blank, ...]:
    """A norm over all streams and a low-rank projection of them."""
    rank = read_int(metadata, "hyper_connection.low_rank")
    width = _streams(metadata) * read_int(metadata, "embedding_length")
    return (
        Blank(f"{name}_norm.weight", (width,), "f32"),
        Blank(f"{name}_down.weight", (width, rank)),
        Blank(f"{name}_up.weight", (rank, width)),
    )


def _connection(il: int, part: str, metadata: Metadata) -> tuple[Blank, ...]:
    streams = _streams(metadata)
    name = f"blk.{il}.hc_{part}"
    inject = Blank(f"{name}_inject.weight", (streams * read_int(metadata, "embedding_length"), streams))
    return (*_mixer(name, metadata), inject)


def _picking(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """Gated attention with an indexer of few heads."""
    width = read_int(metadata, "embedding_length")
    heads, length = (read_int(metadata, f"attention.indexer.{key}") for key in ("head_count", "key_length"))
    return (
        *_delta.full(il, width, of),
        Blank(f"blk.{il}.indexer.q_proj.weight", (width, heads * length)),
        Blank(f"blk.{il}.indexer.k_proj.weight", (width, length)),
        *_blocks.norms(il, length, "indexer.q_norm", "indexer.k_norm"),
    )


def _look_up(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    streams = width * _streams(metadata)
    return (
        Blank(f"blk.{il}.ple_key.weight", (width, streams)),
        Blank(f"blk.{il}.ple_value.weight", (width, width)),
        *_blocks.norms(il, streams, "ple_norm_key", "ple_norm_query", "ple_norm_conv"),
        Blank(f"blk.{il}.ple_conv1d.weight", (read_int(metadata, "ple.conv_kernel"), streams)),
    )


def _ahead(il: int, metadata: Metadata, streams: int) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        Blank(f"blk.{il}.nextn.eh_proj.weight", (2 * width, width)),
        *_blocks.norms(il, width, "nextn.enorm"),
        *_blocks.norms(il, streams, "nextn.hnorm"),
        *_mixer(f"blk.{il}.nextn.hc_head", metadata),
    )
