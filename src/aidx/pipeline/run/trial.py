"""Changes on trial in a tree: put in, judged, kept or taken back to the last byte."""

from collections.abc import Mapping

from aidx.errors import CheckError
from aidx.pipeline.effects import Tree
from aidx.ports import Workspace

State = dict[str, bytes | None]


class Trial:
    """What a run did to *workspace* so far; ``undo`` takes it back unless it was kept.

    A run that is resumed tells again what it tried: a tree in any of those states is its own, any other is not.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._states: list[State] = []  # the first one is the tree as the run found it
        self._wanted: State = {}
        self._touched = self._current = self._kept = False

    def propose(self, changes: Tree, before: Tree) -> None:
        """*changes* are what is wanted now; *before* is what was there when the run began."""
        if not self._states:
            self._states.append(dict(before))
        self._wanted = dict(changes)
        self._states.append(self._wanted)
        self._current = False

    def settle(self) -> None:
        """Bring the tree to what is wanted."""
        self._become(self._wanted)
        self._touched = self._current = True

    def look(self) -> None:
        """Take what is there now for ours: a check has just run, and may have formatted files."""
        self._states.append({path: self._workspace.read(path) for path in self._wanted})

    def keep(self) -> None:
        """What was tried last stays; where an earlier attempt tried it, the tree is brought to it."""
        if not self._current:
            self.settle()
        self._kept = True

    def undo(self, folders: tuple[str, ...]) -> bool:
        """The tree as it was, without *folders*, which were made for it; whether it is so, or as planned, now.

        Where this process has changed nothing, a tree that somebody else has changed since is left alone.
        """
        if self._kept:
            return True
        if not self._states or not (self._touched or self._ours(self._now(self._states[0]))):
            return False
        self._become(self._states[0])
        self._workspace.prune(folders)
        return True

    def _now(self, state: Mapping[str, bytes | None]) -> State:
        return {path: self._workspace.read(path) for path in state}

    def _ours(self, now: State) -> bool:
        return not self._foreign(now)

    def _foreign(self, now: State) -> list[str]:
        return [path for path, data in now.items() if all(data != known.get(path) for known in self._states)]

    def _become(self, state: State) -> None:
        now = self._now(state)
        if foreign := self._foreign(now):
            raise CheckError(
                f"{', '.join(foreign)}: changed by someone else since the run began",
                hint="Put it back as it was, and go on with --resume; the run's own record holds the old bytes. "
                "To keep the tree as it is, remove the run's folder below .aidx/runs.",
            )
        changes = {path: data for path, data in state.items() if data != now[path]}
        if changes:
            self._workspace.write(changes, now)
