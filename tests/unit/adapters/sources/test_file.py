"""Paths: files, folders of checkpoints, and what is neither."""

import json

import pytest
from tests.fakes.checkpoints import LLAMA, header, save, shapes

from aidx.adapters.sources.file import File
from aidx.adapters.stores import shipped
from aidx.errors import InputError
from aidx.model.found import Wanted


def resolved(path, **asked):
    return File().find(Wanted(str(path), **asked))


def refused(path, **asked):
    with pytest.raises(InputError) as caught:
        resolved(path, **asked)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file():
    found = resolved(shipped.path())

    assert (found.model.name, found.model.source, found.variant) == ("aidx-tiny.gguf", "file", None)
    assert "--quant Q8_0 does not apply" in refused(shipped.path(), quant="Q8_0")


@pytest.mark.parametrize("shards", [1, 3])
def test_a_checkpoint(tmp_path, shards):
    folder = save(tmp_path / "small", LLAMA, shards=shards)

    found = resolved(folder)
    smaller = resolved(folder, quant="Q4_K_M")

    assert (found.model.name, found.model.source, found.model.quantization) == ("small", "safetensors", "BF16")
    assert found.model.parameters == sum(a * (b[0] if b else 1) for a, *b in shapes(LLAMA).values())
    assert not found.model.header_exact
    assert smaller.model.quantization == "Q4_K_M"
    assert smaller.model.file_bytes < found.model.file_bytes
    assert found.variant("Q8_0").quantization == "Q8_0"


def test_a_checkpoint_that_sees_says_what_is_not_planned(tmp_path):
    folder = save(tmp_path / "small", LLAMA, {**shapes(LLAMA), "vision_tower.x": (10, 10)})

    assert resolved(folder).notes == ("100 weights are no part of the language model and are not planned",)


def test_a_folder_without_a_checkpoint(tmp_path):
    assert "a directory, and no checkpoint" in refused(tmp_path)
    (tmp_path / "a.gguf").touch()
    with pytest.raises(InputError) as caught:
        resolved(tmp_path)
    assert caught.value.hint == f"Name the file: {tmp_path}/a.gguf"


def test_a_bare_name_is_a_folder_only_where_it_holds_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phi4").mkdir()

    assert resolved("phi4") is None
    save(tmp_path / "phi4", LLAMA)
    assert resolved("phi4").model.architecture == "llama"


def broken(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    return folder


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("config.json", lambda raw: raw[:-1], "config.json is damaged"),
        ("config.json", lambda _: b" " * (5 << 20), "larger than"),
        ("model-00002-of-00003.safetensors", lambda raw: raw[:-1], "model-00002-of-00003.safetensors: the tensors end"),
        ("model-00002-of-00003.safetensors", lambda raw: raw[:4], "model-00002-of-00003.safetensors: the file ends"),
        ("model-00002-of-00003.safetensors", lambda _: b"\xff" * 64, "model-00002-of-00003.safetensors: a header of"),
        ("model.safetensors.index.json", lambda raw: raw[:-1], "index.json is damaged"),
        ("model.safetensors.index.json", lambda raw: raw.replace(b"lm_head.weight", b"other"), "disagree about"),
    ],
)
def test_a_checkpoint_that_is_damaged(tmp_path, name, change, says):
    folder = broken(save(tmp_path / "small", LLAMA, shards=3), name, change)

    message = refused(folder)

    assert message.startswith("small: ")
    assert says in message


def test_a_shard_that_is_missing(tmp_path):
    folder = save(tmp_path / "small", LLAMA, shards=3)
    (folder / "model-00003-of-00003.safetensors").unlink()

    assert "model-00003-of-00003.safetensors is missing" in refused(folder)


def test_a_long_header_is_read_whole(tmp_path):
    config = {**LLAMA, "num_hidden_layers": 120}
    assert len(header(shapes(config))[0]) > 64 << 10

    assert resolved(save(tmp_path / "deep", config)).model.block_count == 120


@pytest.mark.parametrize("reference", ["./gone", "/gone/away", "../x/y", "gone.gguf", "~/gone"])
def test_a_path_that_leads_nowhere(reference, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert "no such file" in refused(reference)


@pytest.mark.parametrize(
    ("length", "says"), [(300, "File name too long"), (5000, "a path of 5,005 characters, which no system takes")]
)
def test_a_path_that_no_system_takes(length, says):
    assert says in refused("x" * length + ".gguf")


def test_an_unknown_architecture_lists_the_known_ones(tmp_path):
    folder = save(tmp_path / "small", LLAMA)
    (folder / "config.json").write_text(json.dumps({**LLAMA, "architectures": ["FalconForCausalLM"]}))

    assert "FalconForCausalLM are not planned (planned: Gemma2ForCausalLM" in refused(folder)
