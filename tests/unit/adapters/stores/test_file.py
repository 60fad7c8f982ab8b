"""Files on this machine: each wrong one is refused in one line with a hint, and none is waited for."""

import os
import socket
from pathlib import Path

import pytest
from tests.gguf_files import F32_TYPE, I32, STRING, U16, Craft, plain, text, with_arrays

from aidx.adapters.stores import file
from aidx.adapters.stores.file import read_header
from aidx.errors import HeaderError, InputError
from aidx.model.spec import Array


def refusal(path: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_header(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return caught.value


def test_a_model_in_one_file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(plain())

    found = read_header(str(path))

    assert found.header.metadata["general.architecture"] == "llama"
    assert found.file_bytes == 6880
    assert found.paths == (str(path),)


def test_the_tokenizer_on_request(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(with_arrays())

    kept = read_header(str(path), keep_tokenizer=True).header.metadata["tokenizer.ggml.tokens"]
    skipped = read_header(str(path)).header.metadata["tokenizer.ggml.tokens"]

    assert isinstance(kept, Array)
    assert kept.data is not None
    assert kept.data.startswith(text("t0"))
    assert skipped == Array(STRING, 12, None)


def test_a_header_of_several_reads(tmp_path):
    path = tmp_path / "model.gguf"
    tokens = [f"token {number}" for number in range(200_000)]
    craft = Craft().array("tokenizer.ggml.tokens", STRING, tokens).pair("last", STRING, "x" * 70_000)
    path.write_bytes(craft.file())

    header = read_header(str(path)).header

    assert header.metadata["tokenizer.ggml.tokens"] == Array(STRING, 200_000, None)
    assert header.metadata["last"] == "x" * 70_000


def test_a_link_is_followed(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(plain())
    link = tmp_path / "link.gguf"
    link.symlink_to(path)

    assert read_header(str(link)).paths == (str(link),)


def test_what_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "missing.gguf")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.gguf"))

        assert "no such file" in str(refusal(tmp_path / "missing.gguf"))
        assert "a link to a file that is gone" in str(refusal(tmp_path / "dangling.gguf"))
        assert "a directory, not a GGUF model" in str(refusal(tmp_path))
        assert "a named pipe, not a GGUF model" in str(refusal(tmp_path / "pipe.gguf"))
        assert "a device, not a GGUF model" in str(refusal("/dev/null"))
        assert refusal(tmp_path / "socket.gguf").hint
        assert "symbolic links" in str(refusal(tmp_path / "circle.gguf"))
        assert "Not a directory" in str(refusal(tmp_path / "pipe.gguf" / "model.gguf"))


def test_a_path_with_a_nul_byte():
    with pytest.raises(InputError, match="null byte"):
        read_header("a\0b")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "an empty file"),
        (b"hello\n", "a text file, not a GGUF model"),
        ("größe ".encode() * 80, "a text file"),
        (("x" * 511 + "ü").encode(), "a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"GG", "a text file"),
        (b"\0\1\2\3\4", "not a GGUF file: it starts with"),
        (b"a" * 100 + b"\xff" * 600, "not a GGUF file: it starts with 'aaaa'"),
        (plain()[:100], "cannot fit into the 84 bytes"),
        (plain()[:500], "the file ends too early"),
        (plain()[:1000], "of a file of 1000"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, raw, says):
    path = tmp_path / "model.gguf"
    path.write_bytes(raw)

    assert says in str(refusal(path))


def test_a_broken_header_says_where(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(Craft().pair("k", 7, b"\2").file())

    error = refusal(path)

    assert isinstance(error, HeaderError)
    assert (error.offset, error.field) == (37, "value of 'k'")
    assert str(error) == f"{path}: a bool is 0 or 1, not 2 (value of 'k' at byte 37)"


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(Craft().pair("k", STRING, "x" * 100_000).file())
    real = os.fstat

    def fstat(handle: int) -> os.stat_result:
        status = real(handle)
        os.truncate(path, 70_000)
        return status

    monkeypatch.setattr(file.os, "fstat", fstat)

    assert "became shorter while it was read" in str(refusal(path))


def test_a_disk_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(plain())

    def read(_handle: int, _size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(file.os, "read", read)

    assert "Input/output error" in str(refusal(path))


def write_parts(folder: Path) -> list[Path]:
    paths = []
    for number in range(3):
        craft = Craft()
        if number == 0:
            craft.pair("general.architecture", STRING, "qwen2")
        craft.pair("split.no", U16, number).pair("split.count", U16, 3).pair("split.tensors.count", I32, 3)
        craft.tensor(f"blk.{number}.ffn_norm.weight", (8,), F32_TYPE)
        path = folder / f"big-{number + 1:05d}-of-00003.gguf"
        path.write_bytes(craft.file(32))
        paths.append(path)
    return paths


@pytest.mark.parametrize("named", [0, 1, 2])
def test_a_model_in_three_files_named_by_any(tmp_path, named):
    paths = write_parts(tmp_path)

    found = read_header(str(paths[named]))

    assert found.paths == tuple(map(str, paths))
    assert found.file_bytes == sum(path.stat().st_size for path in paths)
    assert [(tensor.name, tensor.layer) for tensor in found.header.tensors] == [
        (f"blk.{number}.ffn_norm.weight", number) for number in range(3)
    ]
    assert found.header.metadata == {"general.architecture": "qwen2"}


def test_a_part_that_is_missing(tmp_path):
    paths = write_parts(tmp_path)
    paths[1].unlink()

    with pytest.raises(InputError) as caught:
        read_header(str(paths[0]))

    assert str(caught.value) == f"{paths[1]}: no such file"
    assert caught.value.hint == "Put all 3 parts of the model into one folder."


def test_parts_that_were_renamed_or_mixed_up(tmp_path):
    paths = write_parts(tmp_path)
    renamed = tmp_path / "big.gguf"
    renamed.write_bytes(paths[0].read_bytes())
    assert "part 1 of 3 has a name that does not end in" in str(refusal(renamed))

    paths[2].write_bytes(paths[1].read_bytes())
    assert "part 3 of 3 says that it is part 2 of 3" in str(refusal(paths[0]))
