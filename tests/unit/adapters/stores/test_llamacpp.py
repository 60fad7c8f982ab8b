"""llama.cpp's flat cache and its manifests."""

import sys

import pytest
from tests.fakes.stores import llamacpp

from aidx.adapters.stores.llamacpp import STORE
from aidx.model.stored import Damaged, Stored


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path, root):
    return STORE({"LLAMA_CACHE": str(root)}, tmp_path)


@pytest.mark.parametrize(
    "reference",
    [
        "hf.co/org/repo:Q8_0",
        "org/repo:Q8_0",
        "Org/repo:q8_0",
        "hf.co/org/repo/sub/a-q8.gguf",
        "huggingface.co/org/repo:Q8_0",
    ],
)
def test_names(store, root, reference):
    path = llamacpp(root, "org/repo", "Q8_0", "sub/a-q8.gguf", b"data")

    found = store.find(reference)

    assert isinstance(found, Stored)
    assert (found.store, found.path) == ("llama.cpp", str(path))


def test_no_tag_is_latest(store, root):
    path = llamacpp(root, "org/repo", "latest", "a.gguf", b"data", mmproj=True)

    assert store.find("org/repo") == Stored("hf.co/org/repo:latest", "llama.cpp", str(path), ("a projector",))


@pytest.mark.parametrize(
    "reference", ["org/repo", "org/repo:Q4_K_M", "repo", "", "https://x/y", "hf.co/org", "https://e.org/a.gguf"]
)
def test_what_is_not_there(store, root, reference):
    llamacpp(root, "org/repo", "Q8_0", "a.gguf", b"data")

    assert store.find(reference) is None


def test_all(store, root):
    path = llamacpp(root, "org/repo", "Q8_0", "a.gguf", b"data")
    (root / "other_file.gguf").write_bytes(b"from an address")
    (root / "split-00001-of-00002.gguf").write_bytes(b"1")
    (root / "split-00002-of-00002.gguf").write_bytes(b"2")
    (root / "org_repo_mmproj-a.gguf").write_bytes(b"eye")
    (root / "a.gguf.etag").write_text("x")

    assert list(store.models()) == [
        Stored("hf.co/org/repo:Q8_0", "llama.cpp", str(path)),
        Stored("other_file", "llama.cpp", str(root / "other_file.gguf")),
        Stored("split-00001-of-00002", "llama.cpp", str(root / "split-00001-of-00002.gguf")),
    ]


def test_a_manifest_without_its_file(store, root):
    llamacpp(root, "org/repo", "Q8_0", "a.gguf", None)

    found = store.find("org/repo:Q8_0")

    assert found == Damaged(
        "hf.co/org/repo:Q8_0",
        "llama.cpp",
        "its file org_repo_a.gguf is gone",
        "Fetch it again: llama-server -hf org/repo:Q8_0",
    )
    assert list(store.models()) == [found]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"ggufFile": 3}', '{"ggufFile": {"rfilename": 3}}', "\0"])
def test_a_manifest_that_is_damaged(store, root, content):
    root.mkdir()
    (root / "manifest=org=repo=Q8_0.json").write_text(content)
    (root / "manifest=x.json").write_text(content)

    assert isinstance(store.find("org/repo:Q8_0"), Damaged)
    assert [type(each) for each in store.models()] == [Damaged, Damaged]


def test_a_manifest_that_leads_out(store, root):
    llamacpp(root, "org/repo", "Q8_0", "../../etc/passwd", None)

    assert isinstance(store.find("org/repo:Q8_0"), Damaged)


def test_no_cache_at_all(store):
    assert store.find("org/repo") is None
    assert list(store.models()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="each system has its own folder for caches")
def test_default_folders(tmp_path):
    path = llamacpp(tmp_path / ".cache" / "llama.cpp", "org/repo", "Q8_0", "a.gguf", b"data")
    other = llamacpp(tmp_path / "xdg" / "llama.cpp", "org/repo", "Q8_0", "a.gguf", b"data")

    assert STORE({}, tmp_path).find("org/repo:Q8_0").path == str(path)
    assert STORE({"XDG_CACHE_HOME": str(tmp_path / "xdg")}, tmp_path).find("org/repo:Q8_0").path == str(other)
