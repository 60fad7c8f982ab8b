"""Every store behaves the same, whatever lies on the disk; implementations are found, not listed."""

import os
import random
from pathlib import Path

import pytest
from tests.fakes.stores import huggingface, llamacpp, lmstudio, ollama

from aidx.adapters.sources.local import all_stores
from aidx.model.stored import Damaged, Stored

NAMES = ("ollama", "hf", "lmstudio", "llama.cpp")
ODD = [
    "",
    "/",
    ".",
    "..",
    "a/b",
    "a:b",
    "hf.co/a/b",
    "a" * 5000,
    "\0",
    "a\nb",
    "~",
    "../../etc/passwd",
    "a/b/c/d",
    ":",
    "@",
    "%",
    "\udcff",
]


def stores(home: Path):
    environ = {
        "OLLAMA_MODELS": str(home / "ollama"),
        "HF_HUB_CACHE": str(home / "hub"),
        "LLAMA_CACHE": str(home / "llama"),
    }
    return {store.store: store for store in all_stores(environ, home)}


def fill(home: Path) -> None:
    """One model in each, all in different shapes."""
    ollama(home / "ollama", b"data", "registry.ollama.ai/library/phi4/latest", "hf.co/org/repo/Q8_0")
    huggingface(home / "hub", "org/repo", {"a-Q4_K_M.gguf": b"a", "sub/b-Q8_0.gguf": b"b"})
    lmstudio(home / ".lmstudio" / "models", "pub/model", {"m-Q4_K_M.gguf": b"m", "m-Q6_K.gguf": b"n"})
    llamacpp(home / "llama", "org/repo", "Q8_0", "a.gguf", b"data")


def test_all_four_are_found(tmp_path):
    assert sorted(stores(tmp_path)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_the_disk_is_nothing_in_the_store(tmp_path, name):
    store = stores(tmp_path / "missing")[name]

    assert list(store.models()) == []
    assert [store.find(reference) for reference in ODD] == [None] * len(ODD)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_listed_is_found_by_its_name(tmp_path, name):
    fill(tmp_path)
    store = stores(tmp_path)[name]
    listed = list(store.models())

    assert listed
    for each in listed:
        assert isinstance(each, Stored)
        assert each.store == name
        assert Path(each.path).is_file()
        assert store.find(each.name) == each


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_answered(tmp_path, name):
    fill(tmp_path)
    store = stores(tmp_path)[name]

    for reference in ODD:
        assert isinstance(store.find(reference), Stored | Damaged | None)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_disk_is_never_an_exception(tmp_path, seed):
    fill(tmp_path)
    dice = random.Random(seed)
    (tmp_path / ".lmstudio-home-pointer").write_bytes(dice.randbytes(30))
    for path in sorted(tmp_path.rglob("*")):
        if path.is_symlink() or path.is_dir():
            continue
        change = dice.random()
        if change < 0.25:
            path.write_bytes(dice.randbytes(dice.randrange(200)))
        elif change < 0.5:
            path.unlink()
        elif change < 0.6:
            path.unlink()
            path.mkdir()
        elif change < 0.7:
            path.unlink()
            path.symlink_to(path)

    for store in stores(tmp_path).values():
        listed = list(store.models())
        assert all(isinstance(each, Stored | Damaged) for each in listed)
        for each in listed:
            assert "\n" not in each.name
            store.find(each.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_may_not_be_read_is_empty(tmp_path, name):
    fill(tmp_path)
    for folder in ("ollama", "hub", ".lmstudio", "llama"):
        (tmp_path / folder).chmod(0)
    try:
        store = stores(tmp_path)[name]
        assert list(store.models()) == [] or os.geteuid() == 0  # root may read everything
    finally:
        for folder in ("ollama", "hub", ".lmstudio", "llama"):
            (tmp_path / folder).chmod(0o755)
