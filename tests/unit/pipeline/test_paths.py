"""Paths that an edit may not name."""

import pytest

from aidx.pipeline.edit.paths import checked
from aidx.pipeline.edit.refusal import EditRefusedError

OUTSIDE = [
    "/etc/passwd", "//etc/passwd", "../x", "a/../../x", "a/../b", "..", "./../x", "~/x", "~root/x", "C:/x", "c:x",
    "C:\\x"[:2] + "/x", "a/..", "/", "/./x", "a/./../b", "....//../x",
]  # fmt: skip
NEVER = [
    ".git/config", ".GIT/config", ".Git/hooks/pre-commit", "a/.git/config", ".git./config", ".git /config",
    "git~1/config", "GIT~1/x", ".g\u200cit/config", ".gi\u200dt/x", ".git", "sub/.giT/hooks/post-checkout",
    "\uff0egit/config", ".aidx/edit/journal", ".AIDX/lock", "aidx~1/x", ".git\u2060/x",
]  # fmt: skip
NO_NAME = [
    "", "\0", "a\0b", "a\nb", "a\x7f", "a\\b", "..\\x", "\\\\host\\share", "a/", "./", ".", "x:y", "a/b:stream",
    "con", "NUL", "aux.txt", "dir/COM1", "lpt9.md", "prn.", "\x1b[2J",
]  # fmt: skip
RUN = [
    ".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".gitlab-ci.yml", ".husky/pre-commit",
    ".pre-commit-config.yaml", "Jenkinsfile", ".circleci/config.yml", ".githooks/pre-push", ".gitattributes",
    ".gitmodules", ".envrc", ".vscode/tasks.json", ".devcontainer/devcontainer.json", ".ci/run",
]  # fmt: skip


def reason(path, allowed=None):
    with pytest.raises(EditRefusedError) as caught:
        checked(path, allowed)
    return caught.value.reason


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_that_leave_the_root(path):
    assert reason(path) == "outside_root"


@pytest.mark.parametrize("path", NEVER)
def test_folders_that_no_edit_touches_even_where_they_are_allowed(path):
    assert reason(path) == "not_allowed"
    assert reason(path, [path, "./"]) == "not_allowed"


@pytest.mark.parametrize("path", NO_NAME)
def test_what_is_no_file_name(path):
    assert reason(path) in {"not_allowed", "outside_root"}


@pytest.mark.parametrize("path", RUN)
def test_what_other_programs_run_is_changed_only_by_its_own_name(path):
    assert reason(path) == "not_allowed"
    assert reason(path, ["./"]) == "not_allowed"
    assert checked(path, [path]) == path


def test_at_least_sixty_attacks():
    attacks = {*OUTSIDE, *NEVER, *NO_NAME, *RUN}
    print(f"figure: {len(attacks)} paths, each refused in the tests above")
    assert len(attacks) >= 60


@pytest.mark.parametrize(
    "path", ["a.py", "a/b.py", "./a.py", "a//b.py", ".gitignore", "git/x", "a b.py", "\u00e4/\u00f6.py"]
)
def test_plain_paths_pass(path):
    assert checked(path) == path.removeprefix("./").replace("//", "/")


def test_a_list_allows_files_and_folders_and_nothing_else():
    assert checked("app/x.py", ["app/"]) == "app/x.py"
    assert checked("./x.py", ["x.py"]) == "x.py"
    assert reason("y.py", ["x.py", "app/"]) == "not_allowed"
    assert reason("application/x.py", ["app/"]) == "not_allowed"
    assert reason("app", ["app/"]) == "not_allowed"


def test_the_depth_of_a_path_has_a_bound():
    assert checked("x/" * 100 + "a.py") == "x/" * 100 + "a.py"
    with pytest.raises(EditRefusedError, match="more than 100 folders deep"):
        checked("x/" * 101 + "a.py")
