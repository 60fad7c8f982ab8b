"""The real tree: links, modes, locks, and files that cannot be written."""

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from aidx.adapters.workspace import tree
from aidx.adapters.workspace.held import HeldWorkspace
from aidx.errors import CheckError, InputError
from aidx.ports.workspace import RefusedPathError

RACES = int(os.environ.get("RACES", "200"))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "x.py").write_bytes(b"1")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "out").mkdir()
    return root


@pytest.fixture
def work(root):
    found = HeldWorkspace(str(root))
    yield found
    found.close()


def test_reading_leaves_no_trace(root, work):
    assert (work.read("a/x.py"), work.read("a/y.py"), work.read("b/y.py")) == (b"1", None, None)
    assert [path.name for path in root.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "case",
    [
        ("l", "../secret", "l", "outside_root"),
        ("l", "../out", "l/new", "outside_root"),
        ("l", "/etc", "l/passwd", "outside_root"),
        ("l", "a/x.py", "l", "not_allowed"),
        ("l", "a", "l/x.py", "not_allowed"),
        ("l", "l", "l", "not_allowed"),
        ("l", "../missing", "l", "outside_root"),
        ("a/l", "../../out", "a/l/new", "outside_root"),
        (".aidx", "../out", ".aidx/edit/x", "outside_root"),
    ],
)
def test_no_link_is_followed(root, work, case):
    link, to, path, reason = case
    (root / link).symlink_to(to)

    with pytest.raises(RefusedPathError) as caught:
        work.read(path)

    assert caught.value.reason == reason


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "a//x.py", "./a", "", "a/."])
def test_paths_that_are_not_plain_are_refused_here_too(work, path):
    with pytest.raises(RefusedPathError):
        work.read(path)


def test_only_regular_files_are_read(root, work):
    os.mkfifo(root / "pipe")

    for path in ("pipe", "a"):
        with pytest.raises(RefusedPathError, match="no regular file"):
            work.read(path)


def test_the_mode_of_a_file_stays_and_new_folders_are_made(root, work):
    (root / "a" / "x.py").chmod(0o755)

    work.write({"a/x.py": b"2", "b/c/new.py": b"3"}, {"a/x.py": b"1", "b/c/new.py": None})

    assert (root / "a" / "x.py").stat().st_mode & 0o777 == 0o755
    assert (root / "b" / "c" / "new.py").read_bytes() == b"3"
    assert list((root / ".aidx" / "edit").iterdir()) == []


def test_a_folder_that_goes_away_is_not_replaced_by_the_one_where_we_stand(root, tmp_path, monkeypatch):
    stand = tmp_path / "stand"
    stand.mkdir()
    (stand / "x.py").write_text("mine")
    monkeypatch.chdir(stand)
    one = tree.Tree(str(root))
    monkeypatch.setattr(tree.os, "mkdir", lambda *_, **__: None)  # somebody deletes it as fast as it is made

    for change in (
        lambda: one.write("gone/x.py", b"theirs"),
        lambda: one.append("gone/x.py", b"theirs"),
        lambda: one.set_mode("gone/x.py", 0o777),
        lambda: one.rename("gone/x.py", "y.py"),
        lambda: one.rename("a/x.py", "gone/x.py"),
    ):
        with pytest.raises(FileNotFoundError):
            change()
    one.close()
    assert [(path.name, path.read_text()) for path in stand.iterdir()] == [("x.py", "mine")]
    assert (root / "a" / "x.py").exists()


def test_a_link_that_is_put_in_the_way_between_read_and_write_is_met(root, work, tmp_path, monkeypatch):
    """Another thread swaps the folder for a link to the outside as fast as it can."""
    (tmp_path / "stand").mkdir()
    monkeypatch.chdir(tmp_path / "stand")
    stop = threading.Event()
    swaps = []

    def swap():
        while not stop.is_set():
            aside = root / f"b{len(swaps)}"
            with suppress(OSError):
                (root / "a").rename(aside)
                (root / "a").symlink_to(tmp_path / "out")
                swaps.append(1)
            with suppress(OSError):
                (root / "a").unlink()
                aside.rename(root / "a")
            shutil.rmtree(aside, ignore_errors=True)  # where the writer has made the folder anew meanwhile

    thread = threading.Thread(target=swap)
    thread.start()
    refused = 0
    try:
        for number in range(RACES):
            try:
                work.write({"a/evil": str(number).encode()}, {"a/evil": work.read("a/evil")})
            except (RefusedPathError, CheckError, InputError):
                refused += 1
    finally:
        stop.set()
        thread.join()
    outside = list((tmp_path / "out").iterdir())
    print(
        f"figure: {RACES:,} races, {len(swaps)} links put in the way, {refused} writes refused, {len(outside)} outside"
    )

    assert swaps
    assert outside == []
    assert list((tmp_path / "stand").iterdir()) == []


def test_a_second_process_is_told_who_is_there(root, work):
    work.write({"n": b"1"}, {"n": None})
    code = (
        "import sys; from aidx.adapters.workspace.held import HeldWorkspace\n"
        "try: HeldWorkspace(sys.argv[1]).write({'m': b'1'}, {'m': None})\n"
        "except Exception as error: print(error)"
    )

    told = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True).stdout

    assert f"process {os.getpid()}" in told
    assert work.read("m") is None


def test_a_killed_process_lets_go(root):
    code = (
        "import os, signal, sys; from aidx.adapters.workspace.held import HeldWorkspace\n"
        "HeldWorkspace(sys.argv[1]).write({'n': b'1'}, {'n': None}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, root], check=False)

    work = HeldWorkspace(str(root))
    work.write({"n": b"2"}, {"n": b"1"})
    work.close()

    assert (root / "n").read_bytes() == b"2"


def test_a_change_that_was_cut_off_is_finished_by_the_next_one(root):
    from aidx.adapters.workspace import journal

    (root / ".aidx" / "edit").mkdir(parents=True)
    (root / ".aidx" / "edit" / "new-0").write_bytes(b"2")
    steps = [["a/x.py", ".aidx/edit/new-0", journal.digest(b"1"), journal.digest(b"2")]]
    (root / ".aidx" / "edit" / "journal").write_text(json.dumps({"aside": [], "steps": steps}))

    HeldWorkspace(str(root)).close()

    assert (root / "a" / "x.py").read_bytes() == b"2"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_leaves_the_old_tree(root, work):
    (root / "z").mkdir()
    (root / "z").chmod(0o500)

    with pytest.raises(InputError, match="nothing was changed"):
        work.write({"a/x.py": b"2", "z/new": b"3"}, {"a/x.py": b"1", "z/new": None})

    assert (root / "a" / "x.py").read_bytes() == b"1"


def test_a_folder_in_the_place_of_a_file_leaves_the_old_tree(root, work):
    """The last step fails after the first file was moved."""
    before = {"a/x.py": b"1", "z": None}
    (root / "z" / "inside").mkdir(parents=True)
    from aidx.adapters.workspace import journal

    steps = [
        journal.Step("a/x.py", ".aidx/edit/new-0", journal.digest(b"1"), journal.digest(b"2")),
        journal.Step("z", ".aidx/edit/new-1", None, journal.digest(b"3")),
    ]
    work.tree.write(".aidx/edit/new-0", b"2")
    work.tree.write(".aidx/edit/new-1", b"3")

    with pytest.raises(OSError, match="directory"):
        journal.settle(work.tree, steps, before)

    assert (root / "a" / "x.py").read_bytes() == b"1"
    assert list((root / ".aidx" / "edit").iterdir()) == []


def test_a_missing_root_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot work in"):
        HeldWorkspace(str(tmp_path / "missing"))
