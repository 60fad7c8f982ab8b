"""What is indexed of a tree: what git would keep, no links, nothing binary or huge in silence."""

import os
import random
import subprocess
from contextlib import closing

import pytest

from aidx.adapters.walk import Walk
from aidx.errors import InputError
from aidx.ports.retrieval import DEEPEST, Skipped, SourceFile

ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def walked(root, **limits):
    with closing(Walk(str(root), **limits)) as walk:
        return list(walk)


def paths(found):
    return [each.path for each in found if isinstance(each, SourceFile)]


def skipped(found):
    return {each.path: each.reason for each in found if isinstance(each, Skipped)}


def make(root, files):
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def git(root, *arguments):
    done = subprocess.run(
        ["git", "-C", root, *arguments], env={**ENVIRONMENT, "HOME": str(root)}, capture_output=True, check=True
    )
    return done.stdout.decode()


def kept_by_git(root):
    """What git would add, less the patterns of one's own."""
    found = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(filter(None, found))


RULES = {
    "anywhere": {".gitignore": "*.log\n", "a.log": "", "b/c.log": "", "b/c.txt": ""},
    "anchored": {".gitignore": "/a\n", "a": "", "b/a": ""},
    "folder only": {".gitignore": "out/\n", "out/x": "", "b/out": ""},
    "taken back": {".gitignore": "*.log\n!keep.log\n", "keep.log": "", "b/keep.log": "", "x.log": ""},
    "not out of an ignored folder": {".gitignore": "out/\n!out/keep\n", "out/keep": "", "x": ""},
    "out of a folder's files": {".gitignore": "out/*\n!out/keep\n", "out/keep": "", "out/x": ""},
    "inner rules count more": {".gitignore": "*.txt\n", "b/.gitignore": "!*.txt\n", "a.txt": "", "b/a.txt": ""},
    "inner rules end there": {"b/.gitignore": "*.txt\n", "a.txt": "", "b/a.txt": "", "b/c/a.txt": ""},
    "inner anchor": {"b/.gitignore": "/x\n", "b/x": "", "b/c/x": "", "x": ""},
    "stars": {".gitignore": "a/**/z\n**/q\nm/**\n", "a/z": "", "a/b/c/z": "", "d/q/r": "", "m/n/o": "", "m2": ""},
    "comments and blanks": {".gitignore": "# a\n\n\\#b\nc \nd\\ \n", "a": "", "#b": "", "c": "", "d ": ""},
    "classes": {".gitignore": "[ab].py\n[!x]1\n", "a.py": "", "c.py": "", "x1": "", "y1": ""},
    "one that is none": {".gitignore": "!\n/\n[\n*.log\n", "a.log": "", "[": ""},
    "windows ends": {".gitignore": "*.log\r\nout/\r\n", "a.log": "", "b.txt": ""},
    "an ignore file ignores itself": {".gitignore": ".gitignore\nx\n", "x": "", "y": ""},
}


@pytest.mark.parametrize("name", RULES)
def test_it_is_what_git_would_keep(tmp_path, name):
    make(tmp_path, RULES[name])
    git(tmp_path, "init", "-q")

    assert sorted(paths(walked(tmp_path))) == kept_by_git(tmp_path)


@pytest.mark.parametrize("seed", range(60))
def test_any_rules_are_read_as_git_reads_them(tmp_path, seed):
    dice = random.Random(seed)
    names = ["a", "b", "c.py", "d.log"]
    parts = [*names, "*", "**", "*.py", "?", "[ab]", "a*", ".*"]

    def pattern():
        inner = "/".join(dice.choices(parts, k=dice.choice([1, 1, 1, 2, 3])))
        return f"{dice.choice(['', '', '', '!'])}{dice.choice(['', '', '/'])}{inner}{dice.choice(['', '', '', '/'])}"

    folders = ["", "a/", "b/", "a/b/", "b/a/", "b/a/a/"]
    make(tmp_path, {f"{folder}{name}{number}": "" for folder in folders for number, name in enumerate(names)})
    for folder in dice.sample(folders, 3):
        lines = [pattern() for _ in range(dice.randrange(1, 5))]
        (tmp_path / folder / ".gitignore").write_text("\n".join(lines))
    git(tmp_path, "init", "-q")

    assert sorted(paths(walked(tmp_path))) == kept_by_git(tmp_path)


def test_rules_above_the_folder_count_inside_a_repository_only(tmp_path):
    make(tmp_path, {".gitignore": "*.log\nsub/deep/x\n", "sub/a.log": "", "sub/b": "", "sub/deep/x": ""})

    assert paths(walked(tmp_path / "sub")) == ["a.log", "b", "deep/x"]
    git(tmp_path, "init", "-q")
    (tmp_path / ".git" / "info" / "exclude").write_text("b\n")
    assert paths(walked(tmp_path / "sub")) == []


def test_no_link_is_followed(tmp_path):
    outside = tmp_path / "outside"
    make(outside, {"secret.py": "x = 1\n"})
    root = tmp_path / "root"
    make(root, {"real.py": "y = 1\n"})
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "folder").symlink_to(outside)
    (root / "inside.py").symlink_to("real.py")
    (root / "loop").symlink_to(".")
    (root / ".gitignore").symlink_to(outside / "secret.py")

    found = walked(root)
    assert paths(found) == ["real.py"]
    assert skipped(found) == dict.fromkeys([".gitignore", "file.py", "folder", "inside.py", "loop"], "a link")


def test_what_is_left_out_is_named_with_its_reason(tmp_path):
    make(tmp_path, {"a.py": "a", "big.txt": "x" * 2000, ".env": "KEY=1", ".env.example": "KEY=", "k/server.pem": "k"})
    make(tmp_path, {"node_modules/m/index.js": "m", "k/ID_RSA": "k", ".git/config": "c", ".aidx/x": "x"})
    os.mkfifo(tmp_path / "pipe")

    found = walked(tmp_path, most_bytes=1000)
    assert paths(found) == [".env.example", "a.py"]
    assert skipped(found) == {
        ".env": "may hold secrets",
        "big.txt": "2,000 bytes, more than 1,000",
        "k/ID_RSA": "may hold secrets",
        "k/server.pem": "may hold secrets",
        "node_modules/": "made by a tool",
        "pipe": "no regular file",
    }


def test_a_name_that_no_store_can_hold_is_said(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("x")

    assert skipped(walked(tmp_path)) == {"\\udcff.py": "its name is not UTF-8"}


def test_ignored_paths_are_counted(tmp_path):
    make(tmp_path, {".gitignore": "*.log\nout/\n", "a.log": "", "b.log": "", "out/x": "", "out/y": ""})

    with closing(Walk(str(tmp_path))) as walk:
        assert (paths(walk), walk.ignored) == ([".gitignore"], 3)
        assert (paths(walk), walk.ignored) == ([".gitignore"], 3)


@pytest.mark.parametrize("root", ["missing", "file"])
def test_what_is_no_folder_is_one_line(tmp_path, root):
    make(tmp_path, {"file": ""})

    with pytest.raises(InputError, match="cannot index"):
        Walk(str(tmp_path / root))


def test_folders_below_the_bound_are_skipped_in_one_line(tmp_path):
    (tmp_path / "a.py").write_text("1\n")
    folder = tmp_path
    for _ in range(DEEPEST):
        folder /= "x"
        folder.mkdir()
    (folder / "last.py").write_text("1\n")
    for _ in range(400):
        folder /= "y"
        folder.mkdir()
    (folder / "z.py").write_text("1\n")

    found = walked(tmp_path)

    assert paths(found) == ["a.py", "x/" * DEEPEST + "last.py"]
    assert skipped(found) == {"x/" * DEEPEST + "y/": "more than 100 folders deep"}
