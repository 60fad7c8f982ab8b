"""From a header, or a catalogue entry, to the model that is planned."""

import pytest
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model.blank import Blank
from aidx.model.blueprint import from_catalogue, present
from aidx.model.build import from_header
from aidx.model.catalogue import Entry, Published, Standing
from aidx.model.gguf.render import data_size
from aidx.model.spec import Array, Header, Layer
from aidx.model.tensor import TYPES, Tensor

METADATA = {
    "general.architecture": "qwen2",
    "general.file_type": 15,
    "qwen2.block_count": 2,
    "qwen2.context_length": 4096,
    "qwen2.embedding_length": 512,
    "qwen2.feed_forward_length": 1024,
    "qwen2.attention.head_count": 8,
    "qwen2.attention.head_count_kv": 2,
    "qwen2.vocab_size": 1000,
}
EMBEDDING = Tensor("token_embd.weight", (512, 1024), TYPES["q6_K"])


def header(*tensors, without=(), **changed):
    metadata = {key: value for key, value in METADATA.items() if key not in without}
    metadata |= {f"qwen2.{key}": value for key, value in changed.items()}
    return Header(metadata, tensors or (EMBEDDING,), 8192)


def built(made):
    return from_header(made, name="x.gguf", source="file", file_bytes=99, path="x.gguf")


def test_a_header_becomes_a_model():
    model = built(header())

    assert model.layers == (Layer(2, 64, 64), Layer(2, 64, 64))
    assert (model.architecture, model.quantization, model.block_count) == ("qwen2", "Q4_K_M", 2)
    assert (model.context_length, model.embedding_length, model.vocab_size) == (4096, 512, 1024)
    assert (model.name, model.source, model.file_bytes, model.path) == ("x.gguf", "file", 99, "x.gguf")
    assert model.header_exact


def test_an_unknown_architecture_has_no_layers_and_is_no_error():
    metadata = {key.replace("qwen2.", "mamba9."): value for key, value in METADATA.items()}
    made = Header(metadata | {"general.architecture": "mamba9"}, (EMBEDDING,), 64)

    assert built(made).layers is None
    assert built(made).context_length == 4096


@pytest.mark.parametrize("key", ["block_count", "context_length", "embedding_length", "attention.head_count"])
def test_a_missing_key_is_named(key):
    with pytest.raises(InputError, match=rf"qwen2\.{key}|qwen2\.attention"):
        built(header(without={f"qwen2.{key}"}))


def test_a_file_without_an_architecture_is_refused():
    with pytest.raises(InputError, match=r"lack general\.architecture"):
        built(header(without={"general.architecture"}))


def test_a_length_of_zero_is_refused():
    with pytest.raises(InputError, match=r"qwen2\.context_length is 0"):
        built(header(context_length=0))


@pytest.mark.parametrize(
    ("metadata", "tokens"),
    [({"tokenizer.ggml.tokens": Array(8, 777, None)}, 777), ({"qwen2.vocab_size": 1000}, 1000)],
)
def test_without_an_embedding_the_metadata_count_the_tokens(metadata, tokens):
    bare = header(Tensor("output_norm.weight", (512,), TYPES["f32"]), without={"qwen2.vocab_size"})

    assert built(replace(bare, metadata={**bare.metadata, **metadata})).vocab_size == tokens


def test_a_file_without_tokens_is_refused():
    with pytest.raises(InputError, match=r"neither token_embd\.weight nor a list of tokens") as caught:
        built(header(Tensor("v.patch_embd.weight", (14, 14), TYPES["f32"]), without={"qwen2.vocab_size"}))

    assert "projector" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "tensors", "label"),
    [
        (7, (), "Q8_0"),
        (None, (), "Q6_K"),
        (999, (Tensor("a.weight", (512, 4), TYPES["f32"]), EMBEDDING), "Q6_K"),
        ("Q4", (), "Q6_K"),
    ],
)
def test_the_label_is_the_file_type_or_the_type_of_most_bytes(number, tensors, label):
    made = header(*tensors, without={"qwen2.vocab_size"})
    metadata = {**made.metadata, "general.file_type": number} if number is not None else dict(made.metadata)
    if number is None:
        del metadata["general.file_type"]

    assert built(replace(made, metadata=metadata)).quantization == label


def entry(**changed):
    own = {
        "id": "small",
        "hf_id": "org/Small",
        "aliases": ("small:1b",),
        "metadata": METADATA,
        "absent": frozenset({"output.weight"}),
        "legacy": False,
        "native": "Q4_K_M",
        "tokenizer": "qwen2",
        "metadata_bytes": 10_000,
        "files": (),
        "seen": "made up",
        "sources": (),
        "parameters": 1_000_000_000,
        "standing": Standing("micro", "made up", "general", "made up"),
    }
    return Entry(**(own | changed))


def test_a_catalogue_entry_becomes_a_model_at_its_usual_quantization():
    model = from_catalogue(entry())

    assert (model.name, model.source, model.quantization) == ("small", "catalogue", "Q4_K_M")
    assert model.file_bytes == model.header.size + data_size(model.tensors)
    assert not model.header_exact
    assert not any(tensor.name == "output.weight" for tensor in model.tensors)


def test_a_quantization_moves_the_bytes():
    sizes = [from_catalogue(entry(), quant).file_bytes for quant in ("Q4_0", "Q4_K_M", "Q8_0", "F16")]

    assert sizes == sorted(set(sizes))
    assert from_catalogue(entry(), "q8_0").quantization == "Q8_0"


def test_an_importance_matrix_moves_the_bytes_of_some_types():
    wide = entry(metadata={**METADATA, "qwen2.block_count": 8})

    assert from_catalogue(wide, "Q4_0", imatrix=True).file_bytes > from_catalogue(wide, "Q4_0").file_bytes


def test_a_published_size_is_exact_for_its_quantization_only():
    known = entry(files=(Published("Q4_K_M", 5_000_000, "org"),))

    exact, other = from_catalogue(known), from_catalogue(known, "Q8_0")
    assert (exact.file_bytes, exact.header_exact) == (5_000_000, True)
    assert exact.header.size == 5_000_000 - data_size(exact.tensors)
    assert not other.header_exact
    assert not from_catalogue(known, "Q4_K_M", imatrix=True).header_exact


def test_an_unknown_tokenizer_is_estimated_from_its_tokens():
    unknown = from_catalogue(entry(metadata_bytes=None)).header.size
    known = from_catalogue(entry(metadata_bytes=0)).header.size

    assert unknown - known == pytest.approx(65 * 1000, abs=32)
    assert unknown % 32 == known % 32 == 0


def test_an_entry_of_an_unknown_architecture_is_an_error():
    with pytest.raises(InputError, match="small is of an architecture without a family: mamba9"):
        from_catalogue(entry(metadata={**METADATA, "general.architecture": "mamba9"}))


def test_absent_names_one_tensor_or_one_part_of_every_block():
    parts = [Blank("output.weight", (1,)), *(Blank(f"blk.{il}.attn_q_norm.weight", (1,)) for il in range(2))]

    assert present(parts, frozenset({"output.weight"})) == tuple(parts[1:])
    assert present(parts, frozenset({"attn_q_norm.weight"})) == (parts[0],)
    assert present(parts, frozenset({"blk.1.attn_q_norm.weight"})) == tuple(parts[:2])
