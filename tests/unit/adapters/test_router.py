"""Where routers and labels lie."""

import os
import stat

import pytest

from aidx.adapters.router import SHIPPED, contents, current, keep, note, shipped
from aidx.errors import InputError
from aidx.patterns.router.labelled import parse


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_trained_one_goes_before_the_shipped_one(here):
    assert current()[1] == SHIPPED
    assert keep(shipped()) == ".aidx/router.json"
    router, origin = current()
    assert origin == ".aidx/router.json"
    assert router == shipped()
    assert (here / ".aidx" / ".gitignore").read_bytes() == b"*\n"


def test_notes_are_prompts_to_train_on_that_only_the_user_may_read(here):
    for text, label in (("one\nline", "simple"), ("größe", "complex"), ("\ud800", "simple")):
        note(text, label)
    path = here / ".aidx" / "feedback.jsonl"
    assert [(row.prompt, row.label) for row in parse(path.read_bytes(), "f")] == [
        ("one\nline", "simple"),
        ("größe", "complex"),
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such flag here")
def test_a_link_is_not_written_through(here):
    (here / ".aidx").mkdir()
    (here / "elsewhere").write_text("mine")
    (here / ".aidx" / "feedback.jsonl").symlink_to(here / "elsewhere")
    note("x", "simple")
    assert (here / "elsewhere").read_text() == "mine"


def test_where_nothing_can_be_written_nothing_is_said(here):
    (here / ".aidx").write_text("a file")
    note("x", "simple")
    with pytest.raises(InputError, match=r"cannot write \.aidx"):
        keep(shipped())


def test_what_cannot_be_read_is_said(here):
    (here / "large").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="large: larger than 10 bytes"):
        contents("large", 10)
    with pytest.raises(InputError, match="embedded null byte"):
        contents("a\0b")
