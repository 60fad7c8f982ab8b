"""Finding a model by what people call it."""

import pytest

from aidx.adapters.catalogue import read_catalogue
from aidx.errors import InputError
from aidx.model import arch
from aidx.model.catalogue import find
from aidx.model.quants import FILE_TYPES

ENTRIES = read_catalogue()


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("qwen2.5-coder-14b", ("qwen2.5-coder-14b", None)),
        ("qwen2.5-coder:14b", ("qwen2.5-coder-14b", None)),
        ("qwen2.5-coder:14b-instruct-q4_K_M", ("qwen2.5-coder-14b", "Q4_K_M")),
        ("qwen2.5-coder:14b-instruct-fp16", ("qwen2.5-coder-14b", "F16")),
        ("qwen2.5-coder:latest", ("qwen2.5-coder-7b", None)),
        ("Qwen/Qwen2.5-Coder-14B-Instruct", ("qwen2.5-coder-14b", None)),
        ("hf.co/Qwen/Qwen2.5-Coder-14B-Instruct-GGUF:Q8_0", ("qwen2.5-coder-14b", "Q8_0")),
        ("QWEN2.5-CODER-14B-Q3_K_L", ("qwen2.5-coder-14b", "Q3_K_L")),
        ("qwen3:4b-instruct-2507-q8_0", ("qwen3-4b-2507", "Q8_0")),
        ("gemma3:12b-it-q4_K_M", ("gemma-3-12b", "Q4_K_M")),
        ("gpt-oss:20b", ("gpt-oss-20b", None)),
        ("gpt-oss:20b-mxfp4", ("gpt-oss-20b", "MXFP4_MOE")),
        ("phi-3-mini", ("phi-3-mini-4k", None)),
        ("ministral", ("ministral-3-8b", None)),
        ("deepseek-coder-v2:16b", ("deepseek-coder-v2-lite-2024", None)),
    ],
)
def test_a_reference_means_a_model_and_perhaps_a_quantization(reference, found):
    entry, quant = find(ENTRIES, reference)

    assert (entry.id, quant) == found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_name_of_every_entry_finds_it(entry):
    for name in entry.names:
        assert find(ENTRIES, name).entry is entry


def test_an_unknown_name_lists_the_nearest():
    with pytest.raises(InputError, match=r"unknown model 'qwen2.5-codr:14b' \(close: qwen2.5-coder-14b, ") as caught:
        find(ENTRIES, "qwen2.5-codr:14b")

    assert caught.value.hint


def test_a_name_like_no_other_lists_none():
    with pytest.raises(InputError, match=r"^unknown model '§§§§'$"):
        find(ENTRIES, "§§§§")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_names_its_sources_and_a_known_family(entry):
    assert entry.sources
    assert entry.seen
    assert entry.native in FILE_TYPES
    assert arch.find(str(entry.metadata["general.architecture"]))
    assert all(file.quant in FILE_TYPES for file in entry.files)
