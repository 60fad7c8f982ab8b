"""The hub's cache, read by the names that people type; the rules for the folder are checked against its library."""

import os
import subprocess
import sys

import pytest
from tests.fakes.stores import COMMIT, huggingface

from aidx.adapters.reference import HubModel
from aidx.adapters.stores.huggingface import STORE, cache_folder
from aidx.model.stored import Damaged, Stored

FILES = {"a-Q4_K_M.gguf": b"four", "a-Q8_0.gguf": b"eight", "mmproj-F16.gguf": b"eye", "README.md": b"text"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "hub"


@pytest.fixture
def store(tmp_path, root):
    return STORE({"HF_HUB_CACHE": str(root)}, tmp_path)


@pytest.mark.parametrize(
    ("reference", "file"),
    [
        ("hf.co/org/repo:Q4_K_M", "a-Q4_K_M.gguf"),
        ("hf.co/org/repo:q8_0", "a-Q8_0.gguf"),
        ("hf.co/org/repo", "a-Q4_K_M.gguf"),
        ("org/repo", "a-Q4_K_M.gguf"),
        ("org/repo:Q8_0", "a-Q8_0.gguf"),
        ("Org/Repo:Q8_0", "a-Q8_0.gguf"),
        ("huggingface.co/org/repo:Q8_0", "a-Q8_0.gguf"),
        ("hf.co/org/repo/a-Q8_0.gguf", "a-Q8_0.gguf"),
        ("https://huggingface.co/org/repo/resolve/main/a-Q8_0.gguf?download=true", "a-Q8_0.gguf"),
        (f"https://huggingface.co/org/repo/blob/{COMMIT}/a-Q8_0.gguf", "a-Q8_0.gguf"),
    ],
)
def test_names(store, root, reference, file):
    snapshot = huggingface(root, "org/repo", FILES)

    found = store.find(reference)

    assert isinstance(found, Stored)
    assert (found.store, found.path) == ("hf", str(snapshot / file))


@pytest.mark.parametrize(
    "reference",
    ["org/other", "repo", "hf.co/org/repo:Q6_K", "hf.co/org/repo/b.gguf", "hf.co/org", "http://x/y.gguf",
     "https://e.org/a.gguf",
     "https://huggingface.co/org/repo/resolve/dev/a-Q8_0.gguf", "org/repo:", "org/../repo", "",
     "hf.co/org/repo/mmproj-F16.gguf"],
)  # fmt: skip
def test_what_is_not_there(store, root, reference):
    huggingface(root, "org/repo", FILES)

    assert store.find(reference) is None


def test_the_only_file_is_the_one_without_a_tag(store, root):
    snapshot = huggingface(root, "org/repo", {"a-Q6_K.gguf": b"six"})

    assert store.find("hf.co/org/repo") == Stored("hf.co/org/repo", "hf", str(snapshot / "a-Q6_K.gguf"))


def test_several_and_none_is_the_default_is_for_the_hub_to_say(store, root):
    huggingface(root, "org/repo", {"a-Q6_K.gguf": b"six", "a-Q5_K_M.gguf": b"five"})

    assert store.find("hf.co/org/repo") is None


def test_all(store, root):
    snapshot = huggingface(root, "org/repo", FILES)
    split = huggingface(root, "org/two", {f"x/b-{number:05d}-of-00002.gguf": b"%d" % number for number in (1, 2)})
    huggingface(root, "org/half", {"b-00001-of-00002.gguf": b"1"})
    (root / "datasets--org--x").mkdir()
    (root / ".locks").mkdir()

    assert sorted(store.models(), key=lambda each: each.name) == [
        Stored("hf.co/org/repo:Q4_K_M", "hf", str(snapshot / "a-Q4_K_M.gguf")),
        Stored("hf.co/org/repo:Q8_0", "hf", str(snapshot / "a-Q8_0.gguf")),
        Stored("hf.co/org/two/x/b-00001-of-00002.gguf", "hf", str(split / "x/b-00001-of-00002.gguf")),
    ]


def test_a_name_in_the_list_finds_the_model_again(store, root):
    huggingface(root, "org/repo", {**FILES, "b-Q8_0.gguf": b"other", "sub/c.gguf": b"no label"})

    for each in store.models():
        assert store.find(each.name).path == each.path


def test_the_newest_commit_of_the_branch_is_taken(store, root):
    huggingface(root, "org/repo", {"a-Q4_K_M.gguf": b"old"}, commit="1" * 40)
    new = huggingface(root, "org/repo", {"a-Q4_K_M.gguf": b"new"}, commit="2" * 40)

    assert store.find("org/repo").path.startswith(str(new))


def test_without_a_reference_the_newest_snapshot_is_taken(store, root):
    huggingface(root, "org/repo", {"a-Q4_K_M.gguf": b"old"}, commit="2" * 40, ref=None)
    new = huggingface(root, "org/repo", {"a-Q4_K_M.gguf": b"new"}, commit="1" * 40, ref=None)
    os.utime(new.parent / ("2" * 40), (1, 1))

    assert store.find("org/repo").path.startswith(str(new))


@pytest.mark.parametrize("ref", ["", "../../x", "\0", "z" * 40, "main"])
def test_a_reference_that_is_damaged(store, root, ref):
    snapshot = huggingface(root, "org/repo", FILES)
    (root / "models--org--repo" / "refs" / "main").write_text(ref)

    assert store.find("org/repo").path.startswith(str(snapshot))


def test_a_dangling_link(store, root):
    huggingface(root, "org/repo", FILES)
    for blob in (root / "models--org--repo" / "blobs").iterdir():
        blob.unlink()

    found = store.find("hf.co/org/repo:Q8_0")

    assert isinstance(found, Damaged)
    assert found.why == "a-Q8_0.gguf is a link to a blob that is gone"
    assert found.hint == "Fetch it again: aidx pull hf.co/org/repo:Q8_0"
    assert {type(each) for each in store.models()} == {Damaged}


def test_checkpoints(store, root):
    snapshot = huggingface(root, "org/whole", {"config.json": b"{}", "model.safetensors": b"x"})
    huggingface(root, "org/config", {"config.json": b"{}"})
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    huggingface(
        root, "org/half", {"config.json": b"{}", "model.safetensors.index.json": index, "model-1.safetensors": b"x"}
    )

    assert list(store.models()) == [Stored("hf.co/org/whole", "hf", str(snapshot))]
    assert store.find("hf.co/org/whole:Q4_K_M") == Stored("hf.co/org/whole:Q4_K_M", "hf", str(snapshot))


def test_llama_cpp_keeps_the_same_layout_in_its_own_folder(tmp_path):
    snapshot = huggingface(tmp_path / "llama", "org/repo", FILES)
    store = STORE({"LLAMA_CACHE": str(tmp_path / "llama")}, tmp_path)

    assert store.find_model(HubModel("org/repo")).path == str(snapshot / "a-Q4_K_M.gguf")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HF_HUB_CACHE": "/a/b"},
        {"HF_HUB_CACHE": "~/c", "HF_HOME": "/x"},
        {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/x"},
        {"HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/old"},
        {"HF_HOME": "/x"},
        {"HF_HOME": "$WHERE/x", "WHERE": "/y"},
        {"XDG_CACHE_HOME": "/xdg"},
        {"XDG_CACHE_HOME": "/xdg", "HF_HOME": "/x"},
    ],
)
def test_the_folder_is_the_one_of_the_hub_s_library(environ, tmp_path, monkeypatch):
    environ = {**environ, "HOME": str(tmp_path)}
    ask = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", ask], env=environ, capture_output=True, text=True, check=True)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert str(cache_folder(environ, tmp_path)) == done.stdout.strip()
