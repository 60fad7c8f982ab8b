"""The model that ships, written as a checkpoint for vLLM: the same weights, and the same to plan."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from tests.running import aidx

from aidx.adapters.stores import shipped

SCRIPT = Path(__file__).parents[2] / "scripts" / "tiny_checkpoint.py"
HEADS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("checkpoint")
    subprocess.run([sys.executable, SCRIPT, made], check=True, timeout=60)
    return made


def read(folder, name, dtype):
    data = (folder / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    info = json.loads(data[8 : 8 + size])[name]
    begin, end = info["data_offsets"]
    return np.frombuffer(data[8 + size + begin : 8 + size + end], dtype).reshape(info["shape"])


def test_the_weights_are_those_of_the_file_with_rotary_pairs_as_checkpoints_have_them(folder):
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(shipped.path()).tensors}

    query = read(folder, "model.layers.3.self_attn.q_proj.weight", np.float16)
    halves = query.reshape(HEADS, 2, -1, query.shape[1]).swapaxes(1, 2)  # as llama.cpp's converter brings them together
    assert np.array_equal(halves.reshape(query.shape), tensors["blk.3.attn_q.weight"])
    assert not np.array_equal(query, tensors["blk.3.attn_q.weight"])
    down = read(folder, "model.layers.5.mlp.down_proj.weight", np.float16)
    assert np.array_equal(down, tensors["blk.5.ffn_down.weight"])
    assert np.array_equal(read(folder, "model.norm.weight", np.float32), tensors["output_norm.weight"])


def test_it_is_planned_as_the_file_is(folder):
    found = []
    for asked in ((shipped.path(),), (str(folder), "--quant", "F16")):
        entries = json.loads(aidx("plan", "--json", "--fast", *asked).stdout)["devices"][0]["entries"]
        found.append({entry["what"]: entry["bytes"] for entry in entries})
    assert found[0]["kv_cache"] == found[1]["kv_cache"] == 6_291_456
    assert found[0]["weights"] == found[1]["weights"]
