"""What a run leaves on the disk."""

import os
from contextlib import closing

import pytest

from aidx.adapters.workspace.records import RunRecords
from aidx.errors import CheckError, InputError
from aidx.ports.workspace import RefusedPathError


def test_lines_are_added_and_files_replaced(tmp_path):
    with closing(RunRecords(str(tmp_path))) as records:
        records.append("log", b"one\n")
        records.append("log", b"two\n")
        records.write("whole", b"old")
        records.write("whole", b"new")
        assert (records.read("log"), records.read("whole"), records.read("none")) == (b"one\ntwo\n", b"new", None)
        name = records.name

    with closing(RunRecords(str(tmp_path), name)) as again:
        assert again.read("log") == b"one\ntwo\n"
    assert (tmp_path / ".aidx" / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in (tmp_path / ".aidx" / "runs" / name).iterdir()) == ["lock", "log", "whole"]


def test_a_run_is_driven_by_one_process(tmp_path):
    with (
        closing(RunRecords(str(tmp_path))) as records,
        pytest.raises(CheckError, match="another process drives"),
    ):
        RunRecords(str(tmp_path), records.name)
    RunRecords(str(tmp_path), records.name).close()


@pytest.mark.parametrize("name", ["20260101-000000-abcd", "../x", "..", "", "x\n"])
def test_a_run_that_is_not_there_is_said_with_those_that_are(tmp_path, name):
    with closing(RunRecords(str(tmp_path))) as records:
        pass

    with pytest.raises(InputError, match=records.name):
        RunRecords(str(tmp_path), name)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".aidx").symlink_to(tmp_path / "outside")

    with pytest.raises(RefusedPathError):
        RunRecords(str(tmp_path / "tree"))

    assert os.listdir(tmp_path / "outside") == []  # noqa: PTH208
