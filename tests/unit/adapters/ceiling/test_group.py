"""Where a control group may be made, from files as kernels write them."""

import os

import pytest

from aidx.adapters.ceiling import _group, cgroup2
from aidx.adapters.ceiling._group import Mount, make, mount, own_group, sweep, upwards

MOUNTS = """\
24 30 0:22 / /proc rw - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


@pytest.fixture
def mounts(tmp_path):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    return tmp_path / "mountinfo"


def test_mounts_are_found_by_kind_and_controller(mounts):
    assert str(mount("cgroup", "memory", mounts).folder) == "/sys/fs/cgroup/memory"
    assert mount("cgroup", "memory", mounts).root == "/docker/abc"
    assert str(mount("cgroup2", "", mounts).folder) == "/sys/fs/cgroup/unified"
    assert mount("cgroup", "pids", mounts) is None
    assert mount("cgroup", "memory", mounts.parent / "none") is None


def test_one_s_own_group_is_read_for_either_version(tmp_path):
    (tmp_path / "cgroup").write_text("5:memory,hugetlb:/a/b\n0::/user.slice/x.scope\n")

    assert own_group("memory", tmp_path / "cgroup") == "/a/b"
    assert own_group("", tmp_path / "cgroup") == "/user.slice/x.scope"
    assert own_group("memory", tmp_path / "none") == "/"


def test_groups_are_tried_from_one_s_own_up_to_the_mount(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert list(upwards(Mount(tmp_path, "/"), "/a/b/gone")) == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]
    assert list(upwards(Mount(tmp_path, "/docker/abc"), "/docker/abc/a")) == [tmp_path / "a", tmp_path]
    assert list(upwards(Mount(tmp_path, "/"), "/../../etc")) == [tmp_path]


def test_a_limit_that_cannot_be_written_is_why(tmp_path):
    """The folder is no control group: what is written is a file, and the folder cannot be removed with it."""
    made = make("cgroup1", iter([tmp_path / "none", tmp_path]), {"memory.max": 5}, "memory.events")

    assert (made.folder / "memory.max").read_text() == "5"
    (made.folder / "memory.max").unlink()
    made.close()
    assert not made.folder.exists()
    assert (
        make("cgroup1", iter([tmp_path / "none"]), {"memory.max": 5}, "e")
        == f"{tmp_path / 'none'}: No such file or directory"
    )


def test_what_a_run_that_was_killed_left_is_swept(tmp_path):
    gone, mine = tmp_path / f"{_group.PREFIX}999999999-0", tmp_path / f"{_group.PREFIX}{os.getpid()}-7"
    gone.mkdir()
    mine.mkdir()
    (tmp_path / "other").mkdir()

    sweep(tmp_path)

    assert {folder.name for folder in tmp_path.iterdir()} == {mine.name, "other"}


def test_version_2_needs_the_controller_below(tmp_path):
    for name, controllers in (("a", "cpu memory"), ("b", "cpu"), ("c", None)):
        (tmp_path / name).mkdir()
        if controllers is not None:
            (tmp_path / name / "cgroup.subtree_control").write_text(controllers)

    assert list(cgroup2._limiting(iter(sorted(tmp_path.iterdir())))) == [tmp_path / "a"]
