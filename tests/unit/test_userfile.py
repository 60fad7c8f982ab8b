"""What a user names is read whole and bounded, or refused; nothing but a regular file is ever opened."""

import os
import threading
from pathlib import Path

import pytest

from aidx import userfile
from aidx.errors import InputError


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn\r\n")
    assert userfile.read_bytes(str(path), "a text", 10) == path.read_bytes()
    assert userfile.read_text(str(path), "a text", 10) == "gr\u00fcn\r\n"
    with pytest.raises(InputError, match="a: larger than 9 bytes, not a text"):
        userfile.read_bytes(str(path), "a text", 9)


def test_a_file_that_says_it_is_empty_is_read_to_its_end() -> None:
    assert b"cpu" in userfile.read_bytes("/proc/stat", "a text", 8 << 20)  # the kernel's files have no size
    with pytest.raises(InputError, match="larger than 16 bytes"):
        userfile.read_bytes("/proc/stat", "a text", 16)


def test_a_file_that_grows_while_it_is_read_keeps_to_the_bound(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    real = os.fstat

    def fstat(handle: int) -> os.stat_result:
        status = real(handle)
        path.write_bytes(b"x" * 5000)
        return status

    monkeypatch.setattr(userfile.os, "fstat", fstat)
    with pytest.raises(InputError, match="larger than 100 bytes"):
        userfile.read_bytes(str(path), "a text", 100)


def test_a_pipe_that_takes_the_place_of_a_file_is_no_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a"
    os.mkfifo(path)
    monkeypatch.setattr(userfile, "kind", lambda _: None)  # as it was a moment ago
    done = threading.Event()

    def read() -> None:
        with pytest.raises(InputError, match="a named pipe, not a text"):
            userfile.read_bytes(str(path), "a text", 100)
        done.set()

    threading.Thread(target=read, daemon=True).start()
    assert done.wait(30)


def test_names_that_no_system_takes() -> None:
    for name, says in (("", "'': no such file"), ("a\0b", "embedded null"), ("x" * 5000, "File name too long")):
        assert userfile.kind(name) is None
        with pytest.raises(InputError, match=says):
            userfile.read_bytes(name, "a text", 100)


@pytest.mark.parametrize("path", ["secret", "folder/a"])
def test_what_may_not_be_read_is_said(path: str, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "secret").touch(mode=0)
    (tmp_path / "folder").mkdir(mode=0)
    with pytest.raises(InputError, match="Permission denied"):
        userfile.read_bytes(str(tmp_path / path), "a text", 100)


def test_an_error_of_the_disk_names_the_file() -> None:
    with pytest.raises(InputError, match="/proc/self/mem: "):  # a regular file, and nothing stands at its first byte
        userfile.read_bytes("/proc/self/mem", "a text", 100)
