"""The program's working tree, its end, and what it leaves behind."""

import subprocess
from pathlib import Path

import pytest
from tests.fakes import aider as fake

from aidx.adapters.aider import Aider, Model
from aidx.adapters.worktree import Worktree
from aidx.errors import EngineError
from aidx.ports.programs import Errand

NOWHERE = Model("editor", "http://127.0.0.1:9", "key", 1024, 256)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for words in (["init", "-q"], ["config", "user.name", "x"], ["config", "user.email", "x@example.org"]):
        subprocess.run(["git", "-C", root, *words], check=True)
    return root


def commit(root):
    (root / "a.py").write_text("def a(): pass\n")
    (root / "b.py").write_text("b = 1\n")
    for words in (["add", "."], ["commit", "-qm", "chore: begin"]):
        subprocess.run(["git", "-C", root, *words], check=True)


def git(folder, *words):
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout


def test_a_worktree_holds_the_given_files_and_no_others(root, tmp_path):
    commit(root)

    with Worktree(str(root), tmp_path / "tree", {"a.py": b"dirty\n", "new/c.py": None}) as tree:
        there = sorted(path.name for path in tree.folder.rglob("*") if path.is_file() and path.name != ".git")
        assert there == ["a.py", "c.py"]
        assert "tree" in git(root, "worktree", "list")
        assert git(tree.folder, "rev-parse", "HEAD") == git(root, "rev-parse", "HEAD")
        assert " D b.py" not in git(tree.folder, "status", "--porcelain")
        assert tree.changed() == {}
        assert tree.flags == ()

    assert not (tmp_path / "tree").exists()
    assert len(git(root, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("kind", ["no commit", "no repository", "a folder in one"])
def test_where_git_has_nothing_to_offer_it_is_a_folder(root, tmp_path, kind):
    place = root
    if kind == "no repository":
        place = tmp_path / "plain"
    if kind == "a folder in one":
        commit(root)
        place = root / "sub"
    place.mkdir(exist_ok=True)

    with Worktree(str(place), tmp_path / "tree", {"a.py": b"1"}) as tree:
        assert [path.name for path in tree.folder.iterdir()] == ["a.py"]
        assert tree.flags == ("--no-git",)


def test_what_was_changed_made_linked_and_deleted_is_told(root, tmp_path):
    with Worktree(str(root), tmp_path / "tree", {"a.py": b"1", "b.py": b"2", "same.py": b"3"}) as tree:
        (tree.folder / "a.py").write_bytes(b"9")
        (tree.folder / "b.py").unlink()
        (tree.folder / "l.py").symlink_to("/etc/passwd")
        (tree.folder / "sub").mkdir()
        (tree.folder / "sub" / "d.py").write_bytes(b"4")

        assert tree.changed() == {"a.py": b"9", "b.py": None, "l.py": None, "sub/d.py": b"4"}


def test_one_that_hangs_is_ended(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(fake.install(tmp_path / "bin", "hang").parent), prepend=":")

    done = Aider(str(root), NOWHERE, timeout_s=2).work(
        Errand("Your step now: a.py::a\nDo.", {"a.py": b"def a(): pass\n"}, "a.py")
    )

    assert done.files == {}
    assert done.said.endswith("it ran out of time")


def test_one_that_cannot_be_started_is_said(root, tmp_path, monkeypatch):
    place = fake.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(place.parent), prepend=":")
    program = Aider(str(root), NOWHERE)
    Path(place).write_text("#!/nowhere/python\n")

    with pytest.raises(EngineError, match="cannot be started"):
        program.work(Errand("x", {"a.py": b""}, "a.py"))
