"""What is printed as the way to fetch a model of the catalogue works, for every one of them."""

import shlex

import pytest
from tests.fakes.hub import publish
from tests.fakes.stores import ollama
from tests.gguf_files import STRING, U32, Craft

from aidx.adapters.catalogue import read_catalogue, read_clouds
from aidx.adapters.fetch import pull, target
from aidx.adapters.sources.catalogue import Catalogue
from aidx.adapters.stores.huggingface import HuggingFace
from aidx.adapters.stores.ollama import Ollama
from aidx.errors import EngineError, InputError
from aidx.model.found import Wanted

ENTRIES = read_catalogue()


def line_for(entry, quant, tmp_path):
    source = Catalogue(HuggingFace({"HF_HUB_CACHE": str(tmp_path)}, tmp_path), Ollama({}, tmp_path))
    return source.find(Wanted(entry.id, quant)).model.fetch


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_line_of_every_model_is_one_that_its_program_takes(entry, server, tmp_path):
    for quant in {entry.native, *(file.quant for file in entry.files)}:
        line, _, doubt = line_for(entry, quant, tmp_path).partition(" (which may not be ")
        match shlex.split(line):
            case ["aidx", "pull", name, *options]:
                wanted = Wanted(name, options[1] if options else None)
                meant = target(wanted)
                publish(server, meant.repo, {f"model-{quant}.gguf": b"x" * 99})
                environ = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
                assert pull(wanted, environ, tmp_path, lambda *_: None).files[0].fetched
            case ["ollama", "pull", name]:
                assert name in entry.aliases
                assert ":" in name
                assert bool(doubt) == (quant != entry.native)
            case ["hf", "download", repo]:
                assert repo == entry.hf_id
            case other:
                pytest.fail(f"{other}")


def test_the_repositories_that_are_known_are_pulled_by_aidx(tmp_path):
    ours = {entry.id for entry in ENTRIES if line_for(entry, None, tmp_path).startswith("aidx pull ")}
    coders = {f"qwen2.5-coder-{size}" for size in ("1.5b", "3b", "7b", "14b", "32b")}
    tuned = {f"gemma-3-{size}-qat" for size in ("1b", "4b", "12b", "27b")}
    assert ours == {*coders, *tuned, "deepseek-coder-v2-lite-2024"}


@pytest.mark.parametrize("cloud", read_clouds(), ids=lambda cloud: cloud.id)
def test_a_model_of_the_cloud_has_no_line(cloud):
    with pytest.raises(InputError, match=r"cloud|no provider") as caught:
        target(Wanted(cloud.id))
    assert caught.value.code == "cloud_model"
    assert "pull" not in caught.value.hint
    assert str(caught.value).endswith("there is nothing to fetch")
    assert ("no provider offers it" in str(caught.value)) is not cloud.offered


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("llama3.1:8b-instruct-q8_0", "ollama pull llama3.1:8b-instruct-q8_0"),
        ("llama-3.1-8b:Q8_0", "ollama pull llama3.1:8b (which may not be Q8_0)"),
        ("Qwen/Qwen3-8B:Q4_K_M", "ollama pull qwen3:8b"),
    ],
)
def test_a_typed_name_is_kept_where_it_is_a_tag_of_ollamas(typed, line):
    with pytest.raises(EngineError) as caught:
        target(Wanted(typed))
    assert caught.value.hint == f"Fetch it: {line}"


def test_what_ollama_fetched_is_found_by_the_name_of_the_catalogue(tmp_path):
    craft = Craft().pair("general.architecture", STRING, "llama").pair("general.file_type", U32, 15)
    for key, value in (("block_count", 1), ("context_length", 64), ("embedding_length", 32), ("vocab_size", 4)):
        craft.pair(f"llama.{key}", U32, value)
    craft.pair("llama.attention.head_count", U32, 2)
    ollama(tmp_path / "o", craft.file(0), "registry.ollama.ai/library/llama3.1/8b")
    source = Catalogue(HuggingFace({}, tmp_path), Ollama({"OLLAMA_MODELS": str(tmp_path / "o")}, tmp_path))

    found = source.find(Wanted("llama-3.1-8b")).model
    other = source.find(Wanted("llama-3.1-8b", "Q8_0")).model

    assert (found.name, found.source, found.path is not None, found.fetch) == ("llama-3.1-8b", "ollama", True, "")
    assert (other.source, other.path) == ("catalogue", None)


@pytest.mark.parametrize("name", ["x" * 5000, "a/" + "x" * 5000])
def test_a_name_of_any_length_is_not_echoed_whole(name):
    with pytest.raises(InputError) as caught:
        target(Wanted(name))
    assert len(f"{caught.value}{caught.value.hint}") < 400
