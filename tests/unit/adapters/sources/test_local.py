"""Models of other programs: their names, their quantization against ``--quant``, and what is broken in one of them."""

import json
from pathlib import Path

import pytest
from tests.fakes.checkpoints import LLAMA, save
from tests.fakes.stores import huggingface, lmstudio, ollama

from aidx.adapters.sources.catalogue import Catalogue
from aidx.adapters.sources.local import Local, all_stores
from aidx.adapters.stored import read_all
from aidx.adapters.stores import shipped
from aidx.adapters.stores.huggingface import HuggingFace
from aidx.adapters.stores.ollama import Ollama
from aidx.errors import EngineError, InputError
from aidx.model.found import Wanted

PHI = "registry.ollama.ai/library/phi4/latest"


@pytest.fixture
def tiny():
    return Path(shipped.path()).read_bytes()


@pytest.fixture
def environ(tmp_path):
    return {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HF_HUB_CACHE": str(tmp_path / "hub")}


@pytest.fixture
def local(environ, tmp_path):
    return lambda: Local(all_stores(environ, tmp_path))


def test_a_stored_model_is_planned_from_its_file(tmp_path, local, tiny):
    blob = ollama(tmp_path / "ollama", tiny, PHI)

    model = local().find(Wanted("phi4")).model

    assert (model.name, model.source, model.path, model.file_bytes) == ("phi4:latest", "ollama", str(blob), len(tiny))


def test_what_comes_with_it_is_a_note(tmp_path, local, tiny):
    ollama(tmp_path / "ollama", tiny, PHI, layers=(("projector", b"p" * (1 << 20)),))

    (note,) = local().find(Wanted("phi4")).notes

    assert note == "a projector of 0.0010 GiB comes with phi4:latest and is not planned"


def test_another_quantization_is_another_s_to_plan(tmp_path, local, tiny):
    ollama(tmp_path / "ollama", tiny, PHI)
    stored = local().find(Wanted("phi4")).model.quantization

    assert local().find(Wanted("phi4", quant=stored)) is not None
    assert local().find(Wanted("phi4", quant=stored.lower())) is not None
    assert local().find(Wanted("phi4", quant="Q2_K")) is None
    with pytest.raises(InputError, match="unknown quantization"):
        local().find(Wanted("phi4", quant="Q9"))


def test_a_broken_store_stands_in_nobody_s_way(tmp_path, local, tiny):
    ollama(tmp_path / "ollama", tiny, PHI).unlink()
    lmstudio(tmp_path / ".lmstudio" / "models", "me/phi4", {"phi4.gguf": tiny})

    assert local().find(Wanted("phi4")).model.source == "lmstudio"
    assert local().find(Wanted("other")) is None


def test_a_model_that_only_a_broken_store_knows(tmp_path, local, tiny):
    ollama(tmp_path / "ollama", tiny, PHI).unlink()

    with pytest.raises(EngineError, match=r"phi4:latest: its blob sha256-.* is gone") as caught:
        local().find(Wanted("phi4"))
    assert (caught.value.exit_code, caught.value.code) == (4, "model_damaged")
    assert caught.value.hint == "Fetch it again: ollama pull phi4:latest"


def test_a_blob_that_is_no_model(tmp_path, local):
    ollama(tmp_path / "ollama", b"<html>", PHI)

    with pytest.raises(EngineError, match=r"phi4:latest: .*text file") as caught:
        local().find(Wanted("phi4"))
    assert caught.value.hint


def test_a_cached_checkpoint_is_planned_as_its_conversion(tmp_path, local):
    folder = save(tmp_path / "made", LLAMA)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    huggingface(tmp_path / "hub", "org/small", files)

    plain, named = (local().find(Wanted(name)).model for name in ("org/small", "hf.co/org/small:Q8_0"))

    assert (plain.source, plain.quantization, named.quantization) == ("safetensors", "BF16", "Q8_0")
    assert plain.path is None
    assert local().find(Wanted("org/small", quant="Q4_0")).model.quantization == "Q4_0"


def test_the_list_reads_headers_and_sets_aside_what_it_cannot(tmp_path, environ, tiny):
    ollama(tmp_path / "ollama", tiny, PHI, "hf.co/org/repo/Q8_0", layers=(("adapter", b"a"),))
    ollama(tmp_path / "ollama", b"no model", "registry.ollama.ai/library/bad/latest")
    huggingface(tmp_path / "hub", "org/repo", {"a-F16.gguf": tiny})
    huggingface(
        tmp_path / "hub", "org/whisper", {"config.json": b'{"architectures": ["Whisper"]}', "model.safetensors": b"x"}
    )

    good, bad = read_all(all_stores(environ, tmp_path))

    assert [(each.name, each.store) for each in good] == [
        ("hf.co/org/repo:F16", "hf"),
        ("hf.co/org/repo:Q8_0", "ollama"),
        ("phi4:latest", "ollama"),
    ]
    assert {each.architecture for each in good} == {"llama"}
    assert good[2].beside[0].startswith("an adapter of")
    assert sorted(each.name for each in bad) == ["bad:latest", "hf.co/org/whisper"]
    assert all(each.hint for each in bad)


def test_a_catalogue_name_finds_what_was_pulled_for_it(tmp_path, environ, tiny):
    catalogue = Catalogue(HuggingFace(environ, tmp_path), Ollama({}, tmp_path))
    before = catalogue.find(Wanted("qwen2.5-coder:14b")).model
    snapshot = huggingface(tmp_path / "hub", "Qwen/Qwen2.5-Coder-14B-Instruct-GGUF", {"q-q4_k_m.gguf": tiny})

    pulled = catalogue.find(Wanted("qwen2.5-coder:14b"))
    other = catalogue.find(Wanted("qwen2.5-coder:14b", quant="Q8_0"))

    assert (before.source, before.path) == ("catalogue", None)
    assert (pulled.model.source, pulled.model.path) == ("hf", str(snapshot / "q-q4_k_m.gguf"))
    assert pulled.model.name == before.name
    assert pulled.variant("Q8_0").quantization == "Q8_0"
    assert other.model.source == "catalogue"


def test_a_checkpoint_that_disagrees_with_its_index_is_refused(tmp_path, local):
    folder = save(tmp_path / "made", LLAMA, shards=3)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["metadata"]["total_size"] += 1
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    huggingface(tmp_path / "hub", "org/small", {path.name: path.read_bytes() for path in folder.iterdir()})

    with pytest.raises(InputError, match=r"hf.co/org/small: model.safetensors.index.json says"):
        local().find(Wanted("hf.co/org/small"))
