"""Finding a model by what people call it, and what is known of it."""

import pytest
from msgspec.structs import replace
from tests.fakes.models import qwen2

from aidx.adapters.catalogue import read_catalogue, read_clouds
from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import find, find_cloud, standing_of, tier_of
from aidx.model.quants import FILE_TYPES

ENTRIES = read_catalogue()
CLOUDS = read_clouds()


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
        ("ministral", ("ministral-3-3b", None)),  # the article's Micro
        ("ministral-3", ("ministral-3-8b", None)),
        ("deepseek-r1:14b", ("deepseek-r1-14b", None)),
        ("gemma3:12b-it-qat", ("gemma-3-12b-qat", None)),
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


def test_a_name_of_any_length_is_one_short_line_with_where_to_look():
    with pytest.raises(InputError) as caught:
        find(ENTRIES, "x" * 5000)
    assert str(caught.value) == f"unknown model {'x' * 80!r}… of 5,000 characters"
    assert "aidx models lists what is here" in caught.value.hint


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_names_its_sources_and_a_known_family(entry):
    assert entry.sources
    assert entry.seen
    assert entry.native in FILE_TYPES
    assert arch.find(str(entry.metadata["general.architecture"]))
    assert all(file.quant in FILE_TYPES for file in entry.files)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_counts_its_parameters_and_says_what_it_is_for_and_who_says_so(entry):
    standing = entry.standing

    assert entry.parameters == from_catalogue(entry).parameters
    assert standing.adherence in {"agentic", "general", "thinking"}
    assert standing.adherence_source.startswith("model card: ")
    assert standing.tier == tier_of(entry.parameters) or "named in the article" in standing.tier_source
    assert entry.trained_in in {None, entry.native}
    assert entry.like in {None, *(other.id for other in ENTRIES)}


@pytest.mark.parametrize(
    ("reference", "found", "tier", "adherence"),
    [
        ("Claude 4.0 Sonnet", "claude-sonnet-4", "architect", "agentic"),  # the article's names
        ("Gemini 3 Flash", "gemini-3-flash", "architect", "agentic"),
        ("DeepSeek-V3", "deepseek-v3", "architect", "agentic"),
        ("OpenAI o2", "o2", "thinking", "thinking"),
        ("Gemini 3 (DeepThink)", "gemini-3-deepthink", "thinking", "thinking"),
        ("DeepSeek-R1", "deepseek-r1", "thinking", "thinking"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4", "architect", "agentic"),  # what a user would type
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "architect", "agentic"),
        ("openrouter/openai/gpt-5", "gpt-5", "architect", "agentic"),
        ("gemini/gemini-2.5-pro", "gemini-2.5-pro", "architect", "agentic"),
        ("gpt-5-2025-08-07", "gpt-5", "architect", "agentic"),
        ("deepseek/deepseek-reasoner", "deepseek-r1", "thinking", "thinking"),
    ],
)
def test_a_model_of_the_cloud_is_known_by_its_names(reference, found, tier, adherence):
    cloud = find_cloud(CLOUDS, reference)

    assert (cloud.id, cloud.standing.tier, cloud.standing.adherence) == (found, tier, adherence)


@pytest.mark.parametrize("reference", ["", "/", "openai/claude-sonnet-4", "nobody/gpt-5", "gpt-5 or so", "claude"])
def test_what_no_provider_offers_is_no_model_of_the_cloud(reference):
    assert find_cloud(CLOUDS, reference) is None


def test_the_name_that_only_the_article_uses_is_marked():
    assert "the article's own name" in find_cloud(CLOUDS, "o2").standing.tier_source


def test_no_name_means_two_models():
    names = [name.lower() for model in (*ENTRIES, *CLOUDS) for name in (model.id, *model.aliases)]

    assert len(names) == len(set(names))


def test_a_file_is_known_by_its_name_if_its_size_agrees():
    file = qwen2()
    named = replace(file, name="Qwen2.5-Coder-14B-Instruct-Q4_K_M.gguf")
    inside = replace(file, header=replace(file.header, metadata={"general.name": "Qwen2.5 Coder 14B Instruct"}))
    cut = replace(qwen2(blocks=4), name="qwen2.5-coder-14b.gguf")

    for known in (named, inside):
        assert standing_of(known, ENTRIES).adherence == "general"
        assert "trained for code" in standing_of(known, ENTRIES).reason
    for unknown in (file, cut):
        assert standing_of(unknown, ENTRIES).adherence == "unknown"
    assert (standing_of(file, ENTRIES).tier, standing_of(cut, ENTRIES).tier) == ("editor", "micro")
