"""Ollama's store as it is on a disk, and as it is after something went wrong."""

import json

import pytest
from tests.fakes.stores import ollama

from aidx.adapters.stores.ollama import STORE
from aidx.model.stored import Damaged, Stored

LIBRARY = "registry.ollama.ai/library"
DATA = b"GGUF and more"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def store(tmp_path, root):
    return STORE({"OLLAMA_MODELS": str(root)}, tmp_path)


@pytest.mark.parametrize(
    ("manifest", "reference", "name"),
    [
        (f"{LIBRARY}/qwen2.5-coder/14b", "qwen2.5-coder:14b", "qwen2.5-coder:14b"),
        (f"{LIBRARY}/qwen2.5-coder/14b", "library/qwen2.5-coder:14b", "qwen2.5-coder:14b"),
        (f"{LIBRARY}/qwen2.5-coder/14b", "registry.ollama.ai/library/qwen2.5-coder:14b", "qwen2.5-coder:14b"),
        (f"{LIBRARY}/phi4/latest", "phi4", "phi4:latest"),
        (f"{LIBRARY}/phi4/latest", "phi4:latest", "phi4:latest"),
        (f"{LIBRARY}/phi4/14b-q4_K_M", "Phi4:14B-Q4_K_M", "phi4:14b-q4_K_M"),
        ("registry.ollama.ai/me/mine/v1", "me/mine:v1", "me/mine:v1"),
        ("hf.co/org/repo-GGUF/Q4_K_M", "hf.co/org/repo-GGUF:Q4_K_M", "hf.co/org/repo-GGUF:Q4_K_M"),
        ("hf.co/org/repo-GGUF/Q4_K_M", "hf.co/Org/Repo-GGUF:q4_k_m", "hf.co/org/repo-GGUF:Q4_K_M"),
        ("hf.co/org/repo/latest", "hf.co/org/repo", "hf.co/org/repo:latest"),
    ],
)
def test_names(store, root, manifest, reference, name):
    blob = ollama(root, DATA, manifest)

    assert store.find(reference) == Stored(name, "ollama", str(blob))
    assert list(store.models()) == [Stored(name, "ollama", str(blob))]


@pytest.mark.parametrize(
    "reference",
    [
        "phi4:7b",
        "phi3",
        "other/phi4",
        "",
        ":",
        "phi4:",
        "a/b/c/d",
        "../phi4",
        "phi4:../latest",
        "..",
        "/phi4",
        "phi4/",
        "p\0hi",
    ],
)
def test_what_is_not_there(store, root, reference):
    ollama(root, DATA, f"{LIBRARY}/phi4/latest")

    assert store.find(reference) is None


def test_no_store_at_all(store):
    assert store.find("phi4") is None
    assert list(store.models()) == []


def test_what_comes_with_a_model_is_named(store, root):
    ollama(
        root, DATA, f"{LIBRARY}/llava/7b", layers=(("projector", b"p" * 2048), ("template", b"t"), ("adapter", b"a"))
    )

    found = store.find("llava:7b")

    assert isinstance(found, Stored)
    assert [each.split(" of")[0] for each in found.beside] == ["a projector", "an adapter"]


def damaged(store, name="phi4:latest"):
    found = store.find(name)
    assert isinstance(found, Damaged)
    assert list(store.models()) == [found]
    assert (found.name, found.store) == (name, "ollama")
    assert found.hint == f"Fetch it again: ollama pull {name}"
    return found.why


def test_a_dangling_manifest(store, root):
    ollama(root, DATA, f"{LIBRARY}/phi4/latest").unlink()

    assert "is gone" in damaged(store)


def test_a_blob_that_is_cut(store, root):
    ollama(root, DATA, f"{LIBRARY}/phi4/latest", size=len(DATA) + 7)

    assert "has 13 bytes instead of 20" in damaged(store)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"', '{"layers": 3}', "{}", "\0\1", "[" * 100_000])
def test_a_manifest_that_is_damaged(store, root, content):
    ollama(root, DATA, f"{LIBRARY}/phi4/latest")
    (root / "manifests" / LIBRARY / "phi4" / "latest").write_text(content)

    assert "is damaged" in damaged(store)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([], "names 0 GGUF files"),
        ([None, 3, {"mediaType": 4}], "names 0 GGUF files"),
        ([{"mediaType": "application/vnd.ollama.image.tensor"}], "names 0 GGUF files"),
        ([{"mediaType": "application/vnd.ollama.image.model"}] * 2, "names 2 GGUF files"),
        ([{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../etc/passwd"}], "names no blob"),
        ([{"mediaType": "application/vnd.ollama.image.model"}], "names no blob"),
    ],
)
def test_layers_that_are_no_model(store, root, layers, says):
    ollama(root, DATA, f"{LIBRARY}/phi4/latest")
    (root / "manifests" / LIBRARY / "phi4" / "latest").write_text(json.dumps({"layers": layers}))

    assert says in damaged(store)


def test_the_default_folder_is_in_the_home(tmp_path):
    ollama(tmp_path / ".ollama" / "models", DATA, f"{LIBRARY}/phi4/latest")

    assert isinstance(STORE({}, tmp_path).find("phi4"), Stored)
    assert isinstance(STORE({"OLLAMA_MODELS": "  "}, tmp_path).find("phi4"), Stored)
    assert STORE({"OLLAMA_MODELS": str(tmp_path / "other")}, tmp_path).find("phi4") is None
