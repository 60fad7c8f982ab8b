"""Files are written whole, through links, with their mode; nothing that is no file is ever replaced."""

import os
from pathlib import Path

import pytest

from aidx.adapters.write import write_text
from aidx.errors import InputError


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    mask = os.umask(0o022)
    try:
        write_text(str(page), "é\n")
    finally:
        os.umask(mask)
    assert page.read_bytes() == "é\n".encode()
    assert page.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [page]


def test_an_old_file_keeps_its_mode(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    page.chmod(0o600)
    write_text(str(page), "new")
    assert page.read_text() == "new"
    assert page.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_text("old")
    link.symlink_to(target)
    write_text(str(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize("name", ["", "gone/page.html", "."])
def test_what_can_be_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        write_text(name, "text")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="a device or a pipe"):
        write_text(str(pipe), "text")
    assert pipe.is_fifo()
