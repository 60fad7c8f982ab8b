"""What a run of the pipeline works with, beside its models."""

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from aidx.ports.programs import Checker, Repository
from aidx.ports.workspace import Records

if TYPE_CHECKING:
    from aidx.adapters.workspace.scratch import Scratch
    from aidx.config.merge import Settled


def records(root: str, run: str | None = None) -> Records:
    """What a run leaves below *root*: a new one, or the one called *run*."""
    from aidx.adapters.workspace.records import RunRecords

    return RunRecords(root, run)


def resume(run: str, root: str) -> str:
    """The command that goes on with *run* from here."""
    return f"aidx run --resume {run}" + ("" if root == "." else f" --root {shlex.quote(root)}")


def check_unfinished(root: str) -> None:
    """Raise ``CheckError`` where the edits of a run are still on trial in the tree: it was killed, say."""
    from aidx.adapters.workspace.records import driver, on_trial
    from aidx.errors import CheckError
    from aidx.pipeline.run.drive import TREE, TRYING

    if (name := on_trial(root, TREE, TRYING)) is not None:
        if (told := driver(root, name)) is not None:
            raise CheckError(f"run {name} is trying its edits in the tree: {told}", hint="Wait until it is done.")
        raise CheckError(
            f"the edits of run {name} are still on trial in the tree: it was killed, or could not put the files back",
            hint=f"{resume(name, root)} goes on with it, or puts every byte back.",
        )


def scratch(files: Mapping[str, str]) -> "Scratch":
    """A repository with *files* to try things in, deleted when it is closed."""
    from aidx.adapters.workspace.scratch import Scratch

    return Scratch(files)


def checker(root: str, settled: "Settled | None" = None) -> Checker:
    """Runs checks in *root*; the keys of configured services are kept from them."""
    from aidx.adapters.checks import ProcessChecker

    withheld = set()
    if settled is not None:
        tables = settled.config.roles.values()
        withheld = {str(table.api_key_env) for table in tables} | {str(settled.config.serve.api_key_env)}
    return ProcessChecker(root, withheld)


def broken(root: str, checks: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Why those of *checks* that cannot be started in *root* cannot."""
    from aidx.adapters.startable import objection

    return {name: said for name, argv in checks.items() if (said := objection(argv[0], root)) is not None}


def guard(root: str, checks: Mapping[str, tuple[str, ...]]) -> Callable[[tuple[str, ...]], dict[str, str]]:
    """Says of files below *root* why no plan may change them: git runs them, or one of *checks* does."""
    from aidx.adapters import gitprograms
    from aidx.adapters.startable import same_file
    from aidx.pipeline.checks import programs

    def closed(paths: tuple[str, ...]) -> dict[str, str]:
        found = gitprograms.named(root, paths)
        for name, argv in checks.items():
            run = programs(argv)
            found.update({path: f"is run by check {name}" for path in paths if same_file(path, run, root)})
        return found

    return closed


def repository(root: str) -> Repository:
    """The git repository that *root* lies in."""
    from aidx.adapters.git import Git

    return Git(root)
