"""The catalogue's bytes against published files and against another program's figures.

``published.json``: sizes of files on the net, the stronger proof. A file is header plus tensors; the header's
part before the tensor infos depends on the tokenizer alone but for a few short strings, so what our tensor
bytes leave of a published size must agree between models that share a tokenizer. One wrong type in one
tensor would be off by 20,000 bytes at least.

``computed_elsewhere.json``: tensor bytes of each model at eight file types by another program.
"""

import json
from itertools import groupby
from pathlib import Path

import pytest

from aidx.adapters.catalogue import read_catalogue
from aidx.model import arch
from aidx.model.blueprint import from_catalogue, present
from aidx.model.gguf.render import data_size, render
from aidx.model.quants.assign import assign

HERE = Path(__file__).parent
PUBLISHED = json.loads(HERE.joinpath("published.json").read_text("utf-8"))["files"]
COMPUTED = json.loads(HERE.joinpath("computed_elsewhere.json").read_text("utf-8"))["models"]
ENTRIES = {entry.id: entry for entry in read_catalogue()}
TEXTS = 5000  # bytes by which names, licences and chat templates differ between files of one tokenizer

# Ours minus theirs, with the reason.
DIFFERENCES = {
    "phi-4-mini": -128,  # three quarters of a head turn: 48 rotary factors, not 64, in each of two tensors
    "gemma-4-e2b": -27525120,  # per_layer_model_proj (1536 x 8960) is F16 in converted files, F32 there
    "gemma-4-e4b": -55050240,  # the same with 2560 x 10752
}


def blanks_of(entry, *, tied=False):
    absent = entry.absent | ({"output.weight"} if tied else set())
    return present(arch.find(entry.metadata["general.architecture"]).tensors(entry.metadata), absent)


def metadata_bytes(file):
    entry = ENTRIES[file["model"]]
    tensors = assign(blanks_of(entry), file["quant"], entry.metadata, legacy=entry.legacy)
    return file["bytes"] - data_size(tensors) - len(render({}, tensors))


def by_tokenizer():
    files = sorted(PUBLISHED, key=lambda file: file["tokenizer"])
    return {name: list(group) for name, group in groupby(files, key=lambda file: file["tokenizer"])}


@pytest.mark.parametrize("tokenizer", [name for name, files in by_tokenizer().items() if len(files) > 1])
def test_published_sizes_leave_the_same_header_for_one_tokenizer(tokenizer):
    left = [metadata_bytes(file) for file in by_tokenizer()[tokenizer]]

    assert max(left) - min(left) <= TEXTS


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file["model"])
def test_published_size_leaves_a_plausible_tokenizer(file):
    vocabulary = from_catalogue(ENTRIES[file["model"]]).vocab_size

    # A string with its length, a type and a score or its share of a merge: 20 to 65 bytes a token.
    assert 20 * vocabulary < metadata_bytes(file) < 65 * vocabulary


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file["model"])
def test_a_published_file_has_its_published_size(file):
    model = from_catalogue(ENTRIES[file["model"]], file["quant"])

    assert (model.file_bytes, model.header_exact) == (file["bytes"], True)


def test_sizes_of_two_files_predict_a_third_of_the_same_publisher():
    seven, fourteen, thirty_two = (f"qwen2.5-coder-{size}" for size in ("7b", "14b", "32b"))
    left = {file["model"]: metadata_bytes(file) for file in PUBLISHED}

    assert left[seven] == left[fourteen] == left[thirty_two]


@pytest.mark.parametrize("row", COMPUTED, ids=lambda row: row["id"])
@pytest.mark.parametrize("imatrix", [False, True])
def test_tensor_bytes_agree_with_another_program(row, imatrix):
    entry = ENTRIES[row["id"]]
    blanks = blanks_of(entry, tied=row["tied"])
    expected = row["with_imatrix"] if imatrix else row["bytes"]

    ours = {
        quant: data_size(assign(blanks, "MXFP4_MOE" if "+" in quant else quant, entry.metadata, imatrix=imatrix))
        for quant in expected
    }

    assert {quant: size - expected[quant] for quant, size in ours.items()} == dict.fromkeys(
        expected, DIFFERENCES.get(row["id"], 0)
    )


def test_the_editor_of_the_article():
    entry = ENTRIES["qwen2.5-coder-14b"]
    full, small = from_catalogue(entry, "F16"), from_catalogue(entry, "Q4_K_M")

    assert sum(tensor.bytes for tensor in full.tensors) == 29_541_748_736
    assert small.file_bytes == 8_988_110_272
    assert next(tensor.bytes for tensor in small.tensors if tensor.name == "token_embd.weight") == 437_944_320
    assert full.parameters == small.parameters == 14_770_033_664
