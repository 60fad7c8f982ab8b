"""`aidx quantize` with the real engine: bytes as llama.cpp's own quantizer writes them, and nothing half-written."""

import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import gguf
import jsonschema_rs
import numpy as np
import pytest
from gguf.quants import quantize as reference
from tests.fakes.cut import cut_model, importances
from tests.running import AIDX

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.kinds import I32, U16
from aidx.model.gguf.render import lay_out, render
from aidx.model.quants import FILE_TYPES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "quantize.json").read_text("utf-8"))
IMATRIX = GOLDEN["cut, data with an importance matrix"]
# The engine's tables of the smallest types take half a minute to build: benchmarks/quantize.py compares those.
WEIGHED = ("Q4_0", "Q5_0", "Q4_K_M", "Q2_K_S", "IQ4_XS")
QUICK = ("Q4_0", "Q8_0", "Q4_K_M", "Q6_K", "BF16")  # of the whole aidx-tiny; the benchmark takes all


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return cut_model(tmp_path_factory.mktemp("cut"))


@pytest.fixture(scope="module")
def imatrix(cut, tmp_path_factory):
    """The importance matrix as llama-imatrix writes it now: sums and counts in a GGUF file."""
    path = tmp_path_factory.mktemp("imatrix") / "imatrix.gguf"
    writer = gguf.GGUFWriter(str(path), "")
    writer.kv_data[0].clear()
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["some code.txt"])
    writer.add_uint32("imatrix.chunk_count", 7)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, weights in importances(cut).items():
        writer.add_tensor(f"{name}.in_sum2", np.array([weights], dtype=np.float32) * 4)
        writer.add_tensor(f"{name}.counts", np.array([[4]], dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def command(*arguments):
    return [*AIDX, "quantize", *map(str, arguments)]


def quantize(*arguments, code=0, **options):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False, **options)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done


def quantized(*arguments):
    found = json.loads(quantize(*arguments, "--json", "-q").stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "quantize.json").read_text())
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def digest(path, skipped=0):
    return hashlib.sha256(Path(path).read_bytes()[skipped:]).hexdigest()


def refused(*arguments, code=2, **options):
    words = quantize(*arguments, "-q", code=code, **options).stderr.strip().splitlines()
    assert len(words) == 2, words
    assert words[0].startswith("aidx: ")
    assert words[1].startswith("hint: ")
    return words[0]


@pytest.mark.parametrize("name", FILE_TYPES)
def test_every_byte_is_that_of_llama_cpp_s_own_quantizer(cut, tmp_path, name):
    target = tmp_path / "out.gguf"
    if GOLDEN["cut"][name] is None:
        assert "importance matrix" in (words := refused(cut, target, "--to", name)) or "NVFP4" in words
        assert list(tmp_path.iterdir()) == []
        return
    found = quantized(cut, target, "--to", name)

    assert digest(target) == GOLDEN["cut"][name]
    assert found["bytes"] == found["predicted_bytes"] == target.stat().st_size


@pytest.mark.parametrize("name", WEIGHED)
def test_with_an_importance_matrix_too(cut, imatrix, tmp_path, name):
    target = tmp_path / "out.gguf"
    found = quantized(cut, target, "--to", name, "--imatrix", imatrix)
    header = read_header(str(target)).header

    assert digest(target, header.size) == IMATRIX[name]
    assert found["bytes"] == found["predicted_bytes"] == target.stat().st_size
    assert header.metadata["quantize.imatrix.file"] == str(imatrix)
    assert header.metadata["quantize.imatrix.dataset"] == "some code.txt"
    assert header.metadata["quantize.imatrix.chunks_count"] == 7


def test_an_importance_matrix_of_the_older_format_says_the_same(cut, imatrix, tmp_path):
    entries = importances(cut)
    parts = [struct.pack("<i", len(entries))]
    for name, weights in entries.items():
        calls = np.array(weights, dtype=np.float32) * 2
        parts += [struct.pack("<i", len(name)), name.encode(), struct.pack("<ii", 2, len(weights)), calls.tobytes()]
    older = tmp_path / "imatrix.dat"
    older.write_bytes(b"".join(parts) + struct.pack("<ii", 7, 4) + b"code")
    quantized(cut, tmp_path / "older.gguf", "--to", "Q2_K_S", "--imatrix", older)
    header = read_header(str(tmp_path / "older.gguf")).header

    assert digest(tmp_path / "older.gguf", header.size) == IMATRIX["Q2_K_S"]
    assert header.metadata["quantize.imatrix.dataset"] == "code"
    older.write_bytes(b"".join(parts)[:-100])
    assert "cut off" in refused(cut, tmp_path / "x.gguf", "--to", "Q2_K_S", "--imatrix", older)


@pytest.mark.parametrize("name", QUICK)
def test_the_small_model_as_llama_cpp_makes_it(tmp_path, name):
    quantized("aidx-tiny", tmp_path / "out.gguf", "--to", name)

    assert digest(tmp_path / "out.gguf") == GOLDEN["aidx-tiny"][name]


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16"])
def test_tensors_are_those_of_the_gguf_package(cut, tmp_path, name):
    quantized(cut, tmp_path / "out.gguf", "--to", name)
    source = {tensor.name: tensor for tensor in gguf.GGUFReader(cut).tensors}
    compared = 0

    for tensor in gguf.GGUFReader(tmp_path / "out.gguf").tensors:
        if tensor.tensor_type.name == name:
            expected = reference(source[tensor.name].data.astype(np.float32), tensor.tensor_type)
            assert np.array_equal(tensor.data.view(np.uint8), expected.view(np.uint8)), tensor.name
            compared += 1
    assert compared >= 7


def test_a_source_of_f32_or_bf16_is_quantized_as_well(cut, tmp_path):
    for kind in ("F32", "BF16"):
        quantized(cut, tmp_path / f"{kind}.gguf", "--to", kind)
    quantized(tmp_path / "F32.gguf", tmp_path / "out.gguf", "--to", "Q4_K_M")
    quantized(tmp_path / "BF16.gguf", tmp_path / "again.gguf", "--to", "F32")

    assert digest(tmp_path / "out.gguf") == GOLDEN["cut"]["Q4_K_M"]  # f16 fits into f32, so that nothing was lost
    assert (tmp_path / "again.gguf").stat().st_size == (tmp_path / "F32.gguf").stat().st_size


def test_a_split_model_becomes_one_file(cut, tmp_path):
    split(cut, tmp_path, parts=3)
    quantized(tmp_path / "model-00002-of-00003.gguf", tmp_path / "out.gguf", "--to", "Q5_K_M")

    assert digest(tmp_path / "out.gguf") == GOLDEN["cut"]["Q5_K_M"]


def split(path, place, parts):
    header = read_header(str(path), keep_tokenizer=True).header
    raw = path.read_bytes()
    size = -(-len(header.tensors) // parts)
    for number in range(parts):
        mine = header.tensors[number * size : (number + 1) * size]
        laid = lay_out(mine)
        counts = {"split.no": number, "split.count": parts, "split.tensors.count": len(header.tensors)}
        metadata = {**(header.metadata if number == 0 else {}), **counts}
        kinds = {**header.kinds, "split.no": U16, "split.count": U16, "split.tensors.count": I32}
        body = bytearray(laid[-1].offset + laid[-1].bytes)
        for source, target in zip(mine, laid, strict=True):
            start = header.size + source.offset
            body[target.offset : target.offset + source.bytes] = raw[start : start + source.bytes]
        name = f"model-{number + 1:05}-of-{parts:05}.gguf"
        (place / name).write_bytes(render(metadata, laid, kinds=kinds) + bytes(body))


def test_threads_change_nothing(cut, tmp_path):
    quantized(cut, tmp_path / "out.gguf", "--to", "Q4_K_M", "--threads", "5")

    assert digest(tmp_path / "out.gguf") == GOLDEN["cut"]["Q4_K_M"]


def test_a_dry_run_says_the_size_and_writes_nothing(tmp_path):
    done = quantize("aidx-tiny", tmp_path / "out.gguf", "--to", "Q4_K_M", "--dry-run")

    assert "Q4_K_M would take 3,811,040 bytes (31% of the input); nothing was written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_until_it_is_asked_for(cut, tmp_path):
    target = tmp_path / "out.gguf"
    target.write_text("mine")

    assert "is there already" in refused(cut, target, "--to", "Q4_0")
    assert target.read_text() == "mine"
    quantized(cut, target, "--to", "Q4_0", "--force")
    assert digest(target) == GOLDEN["cut"]["Q4_0"]


def test_the_input_is_never_the_output(cut, tmp_path):
    before = digest(cut)
    alias = tmp_path / "alias.gguf"
    alias.symlink_to(cut)

    assert "is the input itself" in refused(cut, cut, "--to", "Q4_0", "--force")
    assert "is the input itself" in refused(cut, alias, "--to", "Q4_0", "--force")
    assert digest(cut) == before


def test_what_is_quantized_already_is_refused(cut, tmp_path):
    quantized(cut, tmp_path / "q8.gguf", "--to", "Q8_0")

    assert "quantized already" in refused(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "--to", "Q4_0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q8.gguf"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "Q9_K"), "unknown quantization"),
        (("--to", "Q4_0", "--imatrix", "/nowhere"), "/nowhere"),
        (("--to", "Q4_0", "--imatrix", __file__), "not an importance matrix"),
        (("--to", "Q4_0", "--imatrix", shipped.path()), "no importance matrix"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(cut, tmp_path, arguments, words):
    assert words in refused(cut, tmp_path / "out.gguf", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_made_is_said_by_the_name_that_was_given(cut):
    assert "/proc/out.gguf: no file can be made in /proc" in refused(cut, "/proc/out.gguf", "--to", "Q4_0")


def test_a_file_that_ends_too_early_is_refused(cut, tmp_path):
    short = tmp_path / "short.gguf"
    short.write_bytes(cut.read_bytes()[:-10_000])

    assert "short.gguf" in refused(short, tmp_path / "out.gguf", "--to", "Q4_0")
    assert not (tmp_path / "out.gguf").exists()


def test_values_that_are_no_numbers_are_refused(cut, tmp_path):
    header = read_header(str(cut)).header
    tensor = next(one for one in header.tensors if one.name == "blk.0.ffn_up.weight")
    raw = bytearray(cut.read_bytes())
    start = header.size + tensor.offset
    raw[start : start + 2] = b"\xff\x7f"  # NaN in f16
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(raw)

    assert "no numbers" in refused(broken, tmp_path / "out.gguf", "--to", "Q8_0")
    assert not (tmp_path / "out.gguf").exists()


def test_a_full_disk_is_known_before_the_work(cut, tmp_path):
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    words = refused(cut, tmp_path / "out.gguf", "--to", "Q8_0", code=4, preexec_fn=little)
    assert "bytes are needed" in words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_nothing(tmp_path, number):
    child = subprocess.Popen(
        command("aidx-tiny", tmp_path / "out.gguf", "--to", "IQ3_S", "--threads", "1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    assert b"quantized" in child.stderr.readline()  # it is in the middle of it
    os.kill(child.pid, number)
    child.stderr.read()  # the engine's process holds it too: its end is the end of both

    assert child.wait() == (130 if number == signal.SIGINT else -number)
    child.stderr.close()
    assert list(tmp_path.iterdir()) == []
