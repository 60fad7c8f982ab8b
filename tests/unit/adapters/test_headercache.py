"""A header that was read before is taken again only while its file is what it was."""

import os
import time

import pytest
from msgspec.structs import replace
from tests.gguf_files import I32, STRING, U16, Craft, plain, with_arrays

from aidx.adapters import cachedir, headercache
from aidx.adapters.stores.file import read_header
from aidx.errors import InputError

LONG_AGO = time.time_ns() - 3600 * 10**9


class Counted:
    """Reads headers and counts how often it was asked."""

    def __init__(self):
        self.times = 0

    def __call__(self, path):
        self.times += 1
        return read_header(path)


@pytest.fixture
def source(monkeypatch, tmp_path):
    monkeypatch.setenv("AIDX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(headercache, "WORTH", 0)
    return Counted()


def model(folder, data=None, name="model.gguf"):
    path = folder / name
    path.write_bytes(with_arrays() if data is None else data)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def kept(folder):
    return sorted((folder / "cache" / "headers").glob("*"))


def test_the_second_time_the_file_is_not_read(source, tmp_path):
    path = str(model(tmp_path))

    first, second = headercache.read(path, source), headercache.read(path, source)

    assert source.times == 1
    assert replace(first, parts=()) == second == replace(read_header(path), parts=())  # parts are of no use later


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_file_that_is_another_one_now_is_read_again(source, tmp_path, change):
    path = model(tmp_path)
    headercache.read(str(path), source)
    if change == "size":
        model(tmp_path, plain())
    elif change == "time":
        os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    else:
        other = model(tmp_path, plain().ljust(path.stat().st_size, b"\0"), name="other.gguf")
        other.replace(path)

    assert headercache.read(str(path), source) == read_header(str(path))
    assert source.times == 2


def test_whatever_becomes_of_the_cache_the_header_is_right(source, tmp_path):
    path = str(model(tmp_path))
    right = headercache.read(path, source)
    (file,) = kept(tmp_path)
    good = file.read_bytes()
    damaged = [good[:-1], b"", good + b"\0", b"x" * len(good)]
    damaged += [good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :] for at in range(0, len(good), 3)]
    for data in damaged:
        file.write_bytes(data)
        assert headercache.read(path, source) == right
        assert file.read_bytes() == good  # made again
    assert source.times == 1 + len(damaged)


def test_a_header_of_another_version_is_not_taken(source, tmp_path, monkeypatch):
    path = str(model(tmp_path))
    headercache.read(path, source)
    monkeypatch.setattr(headercache, "_MAGIC", b"aidx header 2 0\n")

    headercache.read(path, source)

    assert source.times == 2


def test_a_file_that_was_just_written_is_not_kept(source, tmp_path):
    path = tmp_path / "new.gguf"
    path.write_bytes(plain())

    headercache.read(str(path), source)

    assert kept(tmp_path) == []


def test_a_small_header_is_read_faster_than_it_is_kept(source, tmp_path, monkeypatch):
    monkeypatch.setattr(headercache, "WORTH", 256 << 10)

    headercache.read(str(model(tmp_path)), source)

    assert kept(tmp_path) == []


def test_a_part_of_a_split_model_that_changed_is_seen(source, tmp_path):
    for number in (0, 1):
        craft = Craft().pair("general.architecture", STRING, "llama").pair("split.no", U16, number)
        craft.pair("split.count", U16, 2).pair("split.tensors.count", I32, 2).tensor(f"t{number}", (32,))
        model(tmp_path, craft.file(128), f"m-0000{number + 1}-of-00002.gguf")
    first = str(tmp_path / "m-00001-of-00002.gguf")
    headercache.read(first, source)
    headercache.read(first, source)
    assert source.times == 1
    os.utime(tmp_path / "m-00002-of-00002.gguf")
    headercache.read(first, source)
    assert source.times == 2


def test_a_cache_that_cannot_be_written_or_read_costs_only_time(source, tmp_path, monkeypatch):
    path = str(model(tmp_path))
    (tmp_path / "file").write_text("no folder")
    for place in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), "\0"):
        monkeypatch.setattr(cachedir, "cache_dir", lambda place=place: type(tmp_path)(place))
        assert headercache.read(path, source) == read_header(path)
    monkeypatch.setattr(cachedir, "cache_dir", lambda: None)
    assert headercache.read(path, source) == read_header(path)
    assert source.times == 4


def test_errors_are_those_of_the_reader(source, tmp_path):
    for path in (str(tmp_path / "missing.gguf"), "\0.gguf", str(model(tmp_path, b"GGUF"))):
        with pytest.raises(InputError):
            headercache.read(path, source)
    assert kept(tmp_path) == []


def test_no_more_are_kept_than_planned(source, tmp_path, monkeypatch):
    monkeypatch.setattr(headercache, "MOST_FILES", 3)
    for number in range(5):
        headercache.read(str(model(tmp_path, name=f"{number}.gguf")), source)

    assert len(kept(tmp_path)) == 3


def test_only_the_user_may_look_into_the_cache(source, tmp_path):
    headercache.read(str(model(tmp_path)), source)

    (file,) = kept(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
