"""One call of the user's git, without what a git that called us has left in the environment."""

import os
import subprocess

_OF_A_CALLER = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
LOOKING = ("-c", "core.fsmonitor=false")  # before words that only look: the program of that name is not asked


def call(root: str, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run git with *words* in *root*; raises ``OSError`` where there is no git."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_CALLER}
    return subprocess.run(
        ["git", "--literal-pathspecs", "-C", root, *words],  # noqa: S607 - the user's own
        env=environment,
        input=text or "",
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
