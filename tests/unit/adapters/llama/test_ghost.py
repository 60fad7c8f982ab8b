"""A ghost is the header without tokenizer and parts, laid out anew."""

from msgspec.structs import replace
from tests.fakes.models import qwen2, with_metadata

from aidx.adapters.llama.ghost import ghost
from aidx.model.gguf.reader import Reader
from aidx.model.spec import Array, Header, ModelSpec

MODEL = qwen2(blocks=2)
U16, U32, STRING = 2, 4, 8


def read(model: ModelSpec) -> Header:
    """The ghost as our reader sees it; it insists that every tensor lies inside the file."""
    made = ghost(model)
    reader = Reader(len(made.header) + made.hole)
    reader.feed(made.header)
    header = reader.next()
    assert isinstance(header, Header)
    return header


def test_tensors_and_architecture_stay():
    header = read(MODEL)

    assert [(t.name, t.shape, t.type) for t in header.tensors] == [(t.name, t.shape, t.type) for t in MODEL.tensors]
    assert header.metadata["qwen2.rope.freq_base"] == 1e6


def test_the_hole_holds_the_tensors_and_no_more():
    made = ghost(MODEL)

    assert len(made.header) < 4096
    assert made.hole == sum(-(-tensor.bytes // 32) * 32 for tensor in MODEL.tensors)


def test_the_tokenizer_becomes_a_number():
    tokenizer = {
        "tokenizer.ggml.tokens": Array(STRING, 151_665, None),
        "tokenizer.ggml.merges": Array(STRING, 151_387, None),
        "tokenizer.chat_template": "{{ messages }}",
    }
    header = read(with_metadata(MODEL, {**MODEL.header.metadata, **tokenizer}))

    assert {key: value for key, value in header.metadata.items() if key.startswith("tokenizer.")} == {
        "tokenizer.ggml.model": "no_vocab"
    }
    assert header.metadata["qwen2.vocab_size"] == 151_665


def test_without_a_list_of_tokens_the_model_says_how_many_there_are():
    assert read(MODEL).metadata["qwen2.vocab_size"] == MODEL.vocab_size


def test_parts_become_one_file():
    split = {"split.no": 0, "split.count": 3, "split.tensors.count": 27}
    header = read(with_metadata(MODEL, {**MODEL.header.metadata, **split}))

    assert not any(key.startswith("split.") for key in header.metadata)


def test_tensors_of_several_files_get_new_places():
    scattered = tuple(replace(tensor, offset=0) for tensor in MODEL.tensors)
    header = read(replace(MODEL, header=replace(MODEL.header, tensors=scattered)))

    offsets = [tensor.offset for tensor in header.tensors]
    assert offsets == sorted(set(offsets))


def test_another_alignment_is_forgotten():
    header = read(with_metadata(MODEL, {**MODEL.header.metadata, "general.alignment": 4096}))

    assert header.alignment == 32


def test_arrays_that_were_read_stay_and_values_keep_their_kinds():
    window = Array(U32, 2, b"\1\0\0\0\0\0\0\0")
    metadata = {**MODEL.header.metadata, "qwen2.pattern": window, "qwen2.small": 7, "qwen2.skipped": Array(4, 9, None)}
    model = replace(MODEL, header=replace(MODEL.header, metadata=metadata, kinds={"qwen2.small": U16}))
    header = read(model)

    assert header.metadata["qwen2.pattern"] == window
    assert header.kinds["qwen2.small"] == U16
    assert "qwen2.skipped" not in header.metadata


def test_a_number_that_gives_a_tensor_its_shape_stays():
    rows = {"tokenizer.ggml.token_type_count": 2, "tokenizer.ggml.bos_token_id": 101}
    header = read(with_metadata(MODEL, {**MODEL.header.metadata, **rows}))

    assert header.metadata["tokenizer.ggml.token_type_count"] == 2
    assert "tokenizer.ggml.bos_token_id" not in header.metadata
