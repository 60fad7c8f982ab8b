"""LM Studio's folders: by publisher and model, wherever its settings put them."""

import json
import re
from pathlib import Path

import pytest
from tests.fakes.stores import lmstudio
from tests.gguf_files import F32, STRING, Craft

from aidx.adapters.stores.file import read_header
from aidx.adapters.stores.lmstudio import STORE
from aidx.model.stored import Damaged, Stored

NAME = "lmstudio-community/Qwen2.5-Coder-14B-Instruct-GGUF"
FILES = {"Qwen-Q4_K_M.gguf": b"four", "Qwen-Q8_0.gguf": b"eight", "mmproj-F16.gguf": b"eye"}


@pytest.fixture
def models(tmp_path):
    return tmp_path / ".lmstudio" / "models"


@pytest.fixture
def store(tmp_path):
    return STORE({}, tmp_path)


@pytest.mark.parametrize(
    ("reference", "file"),
    [
        (NAME, "Qwen-Q4_K_M.gguf"),
        (f"{NAME}@q8_0", "Qwen-Q8_0.gguf"),
        (f"{NAME}/Qwen-Q8_0.gguf", "Qwen-Q8_0.gguf"),
        (NAME.lower(), "Qwen-Q4_K_M.gguf"),
        ("qwen2.5-coder-14b-instruct", "Qwen-Q4_K_M.gguf"),
        ("qwen2.5-coder-14b-instruct@q8_0", "Qwen-Q8_0.gguf"),
    ],
)
def test_names(store, models, reference, file):
    folder = lmstudio(models, NAME, FILES)

    found = store.find(reference)

    assert isinstance(found, Stored)
    assert (found.store, found.path) == ("lmstudio", str(folder / file))
    assert found.name.startswith(NAME)


@pytest.mark.parametrize(
    "reference",
    ["other", f"{NAME}@q6_k", f"{NAME}/none.gguf", f"{NAME}/mmproj-F16.gguf", "a/b/c/d", "..", "../..",
     f"../models/{NAME}", "", "/", "@q8_0", "a\\b"],
)  # fmt: skip
def test_what_is_not_there(store, models, reference):
    lmstudio(models, NAME, FILES)

    assert store.find(reference) is None


def test_all(store, models):
    folder = lmstudio(models, NAME, FILES)
    single = lmstudio(models, "me/tiny", {"tiny.gguf": b"one"})
    (models / "stray.gguf").write_bytes(b"too high up: LM Studio does not see it")

    assert list(store.models()) == [
        Stored(f"{NAME}/Qwen-Q4_K_M.gguf", "lmstudio", str(folder / "Qwen-Q4_K_M.gguf")),
        Stored(f"{NAME}/Qwen-Q8_0.gguf", "lmstudio", str(folder / "Qwen-Q8_0.gguf")),
        Stored("me/tiny", "lmstudio", str(single / "tiny.gguf")),
    ]
    assert all(store.find(each.name).path == each.path for each in store.models())


def test_the_old_home(tmp_path):
    folder = lmstudio(tmp_path / ".cache" / "lm-studio" / "models", "me/tiny", {"tiny.gguf": b"one"})

    assert STORE({}, tmp_path).find("me/tiny").path == str(folder / "tiny.gguf")


def test_the_pointer_and_the_settings(tmp_path):
    home = tmp_path / "elsewhere"
    home.mkdir()
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{home}\n")
    inside = lmstudio(home / "models", "me/inside", {"a.gguf": b"a"})
    assert STORE({}, tmp_path).find("me/inside").path == str(inside / "a.gguf")

    (home / "settings.json").write_text(json.dumps({"downloadsFolder": str(tmp_path / "big")}))
    outside = lmstudio(tmp_path / "big", "me/outside", {"a.gguf": b"a"})
    assert STORE({}, tmp_path).find("me/outside").path == str(outside / "a.gguf")
    assert STORE({}, tmp_path).find("me/inside").path == str(inside / "a.gguf")


@pytest.mark.parametrize("pointer", ["/no/such/folder", "", "\0", "relative"])
def test_a_pointer_that_leads_nowhere(tmp_path, models, pointer):
    (tmp_path / ".lmstudio-home-pointer").write_text(pointer)
    lmstudio(models, "me/tiny", {"tiny.gguf": b"one"})

    assert isinstance(STORE({}, tmp_path).find("me/tiny"), Stored)


@pytest.mark.parametrize("settings", ["{", "[]", '{"downloadsFolder": 3}', '{"downloadsFolder": ""}'])
def test_settings_that_are_damaged(tmp_path, models, settings):
    lmstudio(models, "me/tiny", {"tiny.gguf": b"one"})
    (tmp_path / ".lmstudio" / "settings.json").write_text(settings)

    assert isinstance(STORE({}, tmp_path).find("me/tiny"), Stored)


def test_a_link_that_dangles(store, models):
    folder = lmstudio(models, "me/tiny", {})
    (folder / "tiny.gguf").symlink_to(folder / "gone.gguf")

    found = store.find("me/tiny")

    assert found == Damaged("me/tiny", "lmstudio", "tiny.gguf is gone", "Download the model again in LM Studio.")
    assert list(store.models()) == [found]


READ = re.compile(r"rchar: (\d+)")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux says what a process has read")
def test_a_model_is_planned_from_its_header_and_not_from_its_data(store, models):
    craft = Craft().pair("general.architecture", STRING, "llama")
    craft = craft.array("tokenizer.ggml.tokens", STRING, [f"token{number:05}" for number in range(32_000)])
    craft = craft.array("tokenizer.ggml.scores", F32, [0.5] * 32_000).tensor("output.weight", (1024,))
    folder = lmstudio(models, NAME, {"Qwen-Q4_K_M.gguf": craft.file(4096)})
    with (folder / "Qwen-Q4_K_M.gguf").open("ab") as file:
        file.truncate(1 << 30)  # a hole, as long as a model

    def read_so_far():
        return int(READ.search(Path("/proc/self/io").read_text("ascii"))[1])

    before = read_so_far()
    found = store.find(NAME)
    header = read_header(found.path).header
    assert [tensor.name for tensor in header.tensors] == ["output.weight"]
    assert header.size < read_so_far() - before <= 2 << 20
