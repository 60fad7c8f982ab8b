"""Power is cut after every step, in every way that a journalling file system may lose what was not synced."""

import errno
import json
import random
from contextlib import suppress

import pytest

from aidx.adapters.workspace import journal
from aidx.adapters.workspace.tree import Tree
from aidx.errors import CheckError
from aidx.ports.workspace import Back, RefusedPathError


class Cut(BaseException):
    """The power went."""


LINK = object()  # what stands in the place of a file


class FakeDisk:
    """What the process sees, and what survives: folders in order, a file that is cut while written is torn."""

    def __init__(self, files, cut=None, rng=None):
        self.seen = dict(files)
        self.kept = dict(files)
        self.pending = []
        self.steps = 0
        self.cut = cut
        self.rng = rng or random.Random(0)

    def step(self):
        self.steps += 1
        if self.cut is not None and self.steps > self.cut:
            raise Cut

    def read(self, path):
        if self.obstacle(path) is not None:
            raise RefusedPathError("not_allowed", f"{path} is a link")
        return self.seen.get(path)

    def obstacle(self, path):
        parts = path.split("/")
        every = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return next((part for part in every if self.seen.get(part) is LINK), None)

    def mode(self, path):
        return 0o644 if path in self.seen else None

    def write(self, path, data, mode=0o666):
        del mode
        if self.cut == self.steps:  # cut while it is written: part of the data under the name
            self.pending.append(("data", path, data[: self.rng.randrange(len(data) + 1)]))
        self.step()
        self.seen[path] = data
        self.pending.append(("data", path, data))

    def rmdir(self, path):
        self.step()
        assert path not in self.seen

    def set_mode(self, path, mode):
        del path, mode
        self.step()

    def rename(self, old, new):
        self.step()
        self.seen[new] = self.seen.pop(old)
        self.pending.append(("rename", old, new))

    def unlink(self, path):
        self.step()
        self.seen.pop(path, None)
        self.pending.append(("unlink", path))

    def sync(self, path):
        del path
        self.step()
        self.settle(len(self.pending))

    def names(self, folder):
        return sorted(path.removeprefix(f"{folder}/") for path in self.seen if path.startswith(f"{folder}/"))

    def settle(self, count):
        for what, path, *more in self.pending[:count]:
            if what == "data":
                self.kept[path] = more[0]
            elif what == "rename" and path in self.kept:
                self.kept[more[0]] = self.kept.pop(path)
            elif what == "unlink":
                self.kept.pop(path, None)
        del self.pending[:count]

    def after_the_cut(self):
        self.settle(self.rng.randrange(len(self.pending) + 1))
        return dict(self.kept)


def trees(count):
    rng = random.Random(3)
    for _ in range(count):
        old = {f"f{n}.py": bytes([65 + n]) * rng.randrange(1, 50) for n in range(rng.randrange(1, 6))}
        changes = {path: rng.choice([b"new" * rng.randrange(1, 20), None]) for path in old if rng.random() < 0.7}
        changes["made.py"] = b"made"
        yield old, changes


def test_every_cut_leaves_the_old_tree_or_the_new_one():
    cuts = mixed = 0
    for number, (old, changes) in enumerate(trees(80)):
        before = {path: old.get(path) for path in changes}
        new = {path: data for path, data in {**old, **changes}.items() if data is not None}
        whole = FakeDisk(old)
        journal.commit(whole, changes, before)
        assert whole.seen == new
        for cut in range(whole.steps + 1):
            for again in range(3):
                disk = FakeDisk(old, cut, random.Random(f"{number} {cut} {again}"))
                with suppress(Cut):
                    journal.commit(disk, changes, before)
                found = FakeDisk(disk.after_the_cut())
                journal.recover(found)
                cuts += 1
                mixed += found.seen not in (old, new)
    print(f"figure: {cuts:,} cuts, {mixed} mixed trees")

    assert cuts >= 3000
    assert mixed == 0


def test_recovery_may_be_cut_too():
    old, changes = {"a": b"1", "b": b"2"}, {"a": b"3", "b": None, "c": b"4"}
    disk = FakeDisk(old, cut=12)
    with pytest.raises(Cut):
        journal.commit(disk, changes, {"a": b"1", "b": b"2", "c": None})
    disk.settle(len(disk.pending))
    left = dict(disk.kept)
    assert journal.JOURNAL in left
    for cut in range(12):
        second = FakeDisk(left, cut)
        with suppress(Cut):
            journal.recover(second)
        third = FakeDisk(second.after_the_cut())
        journal.recover(third)
        assert third.seen == {"a": b"3", "c": b"4"}


BLOCKED = {"a": LINK, "b": b"tried", "c/d": LINK, "e": b"theirs"}
BACK = Back(modes={"a/x": 0o755}, blocked=("a/x", "a/y", "c/d"), aside="aside")
WAS = {"a/x": b"1", "a/y": None, "b": b"2", "c/d": b"3"}
NOW = {"a/x": None, "a/y": None, "b": b"tried", "c/d": None}


def test_every_cut_of_what_is_put_back_leaves_it_blocked_or_back_and_nothing_is_lost():
    put_back = {"a/x": b"1", "b": b"2", "c/d": b"3", "e": b"theirs", "aside/1-a": LINK, "aside/2-d": LINK}
    whole = FakeDisk(BLOCKED)
    assert journal.commit(whole, WAS, NOW, BACK) == (("a", "aside/1-a"), ("c/d", "aside/2-d"))
    assert whole.seen == put_back
    cuts = 0
    for cut in range(whole.steps + 1):
        for again in range(20):
            disk = FakeDisk(BLOCKED, cut, random.Random(f"{cut} {again}"))
            with suppress(Cut):
                journal.commit(disk, WAS, NOW, BACK)
            second = FakeDisk(disk.after_the_cut(), cut=again)
            with suppress(Cut):
                journal.recover(second)
            third = FakeDisk(second.after_the_cut())
            journal.recover(third)
            cuts += 1
            assert third.seen in (BLOCKED, put_back)
    print(f"figure: {cuts:,} cuts while files are put back, 0 trees between")


@pytest.mark.parametrize("at", range(1, 13))
def test_where_one_of_them_cannot_be_moved_everything_is_as_it_was(at):
    """From the first change behind the journal on: whichever rename fails, what went before is taken back."""
    disk = FakeDisk(BLOCKED)
    renames = iter(range(100))

    def rename(old, new):
        if next(renames) == at:
            raise OSError(errno.EACCES, "Permission denied")
        FakeDisk.rename(disk, old, new)

    disk.rename = rename
    try:
        journal.commit(disk, WAS, NOW, BACK)
    except OSError:
        assert disk.seen == BLOCKED
    else:
        assert at >= 6  # the journal, two moves, three files


def test_what_was_put_in_their_place_after_the_cut_is_not_moved():
    disk = FakeDisk(BLOCKED, cut=9)
    with pytest.raises(Cut):
        journal.commit(disk, WAS, NOW, BACK)
    disk.settle(len(disk.pending))
    found = FakeDisk({**disk.kept, "c/d": b"by hand"})
    assert journal.JOURNAL in found.seen

    with pytest.raises(CheckError, match="c/d was changed by someone else"):
        journal.recover(found)

    assert found.seen["c/d"] == b"by hand"


def test_what_is_in_the_way_no_more_is_not_moved():
    with pytest.raises(CheckError, match="c/d was changed by someone else"):
        journal.commit(FakeDisk({**BLOCKED, "c/d": b"by hand"}), WAS, NOW, BACK)


@pytest.fixture(params=["real", "fake"])
def disk(request, tmp_path):
    if request.param == "fake":
        yield FakeDisk({"a/x": b"1", "y": b"2"})
        return
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    (tmp_path / "y").write_bytes(b"2")
    tree = Tree(str(tmp_path))
    yield tree
    tree.close()


def test_a_real_tree_and_the_fake_one_do_the_same(disk):
    journal.commit(disk, {"a/x": b"3", "y": None, "n/z": b"4"}, {"a/x": b"1", "y": b"2", "n/z": None})

    assert [disk.read(path) for path in ("a/x", "y", "n/z")] == [b"3", None, b"4"]
    assert disk.names(journal.FOLDER) == []


def test_a_file_that_changed_since_it_was_read_stops_everything(disk):
    with pytest.raises(CheckError, match="y was changed by someone else"):
        journal.commit(disk, {"a/x": b"3", "y": None}, {"a/x": b"1", "y": b"something else"})

    assert (disk.read("a/x"), disk.read("y")) == (b"1", b"2")


def test_what_was_changed_after_the_cut_is_not_overwritten(disk):
    disk.write(".aidx/edit/new-0", b"3")
    steps = [["a/x", ".aidx/edit/new-0", journal.digest(b"0"), journal.digest(b"3")]]
    disk.write(journal.JOURNAL, json.dumps({"aside": [], "steps": steps}).encode())

    with pytest.raises(CheckError, match=r"a/x was changed by someone else"):
        journal.recover(disk)

    assert disk.read("a/x") == b"1"


def test_one_file_is_not_the_folder_of_another(disk):
    with pytest.raises(RefusedPathError, match="n cannot be a file and the folder of n/z"):
        journal.commit(disk, {"n": b"3", "n/z": b"4"}, {"n": None, "n/z": None})

    assert (disk.read("n"), disk.names(journal.FOLDER)) == (None, [])
