"""Changes on trial in a tree: put in, judged, kept or taken back to the last byte."""

from collections.abc import Callable, Mapping

from aidx.errors import AidxError, CheckError
from aidx.pipeline.effects import Tree
from aidx.pipeline.ending import NotPutBackError
from aidx.ports.workspace import Back, Grounds, RefusedPathError, Workspace

State = dict[str, bytes | None]
Seen = dict[str, bytes | RefusedPathError | None]  # an error: something stands in the place of the file


class Trial:
    """What a run did to *workspace* so far; ``undo`` takes it back unless it was kept.

    A run that is resumed tells again what it tried: a tree in any of those states, or in the one that *seen* says a
    check of its last process left, is its own, any other is not. While the run's edits are *on_trial* whatever stands
    in the place of a file was put there by a check: it is moved into the folder *aside*, which is told. Bytes that are
    neither the old ones nor those that were tried (written by a check, or by a person meanwhile) go there, too.
    """

    def __init__(
        self,
        workspace: Workspace,
        aside: str = "",
        tell: Callable[[str], object] = lambda line: None,  # noqa: ARG005 - nobody listens
        *,
        on_trial: bool = False,
        seen: State | None = None,
    ) -> None:
        self._workspace = workspace
        self._aside = aside
        self._tell = tell
        self._on_trial = on_trial
        self._seen = seen
        self._states: list[State] = []  # the first one is the tree as the run found it
        self._proposed: list[State] = []  # and what was wanted of it: bytes that a record holds
        self._wanted: State = {}
        self._touched = self._current = self._kept = False

    @property
    def kept(self) -> bool:
        """Whether what was tried stays."""
        return self._kept

    def propose(self, changes: Tree, before: Tree) -> None:
        """*changes* are what is wanted now; *before* is what was there when the run began."""
        if not self._states:
            self._proposed.append(dict(before))
            self._states += [dict(before), *([] if self._seen is None else [self._seen])]
        self._wanted = dict(changes)
        self._states.append(self._wanted)
        self._proposed.append(self._wanted)
        self._current = False

    def settle(self, grounds: Grounds) -> None:
        """Bring the tree to what is wanted; *grounds* is what was around the files when the run began."""
        self._become(self._wanted, grounds)
        self._touched = self._current = self._on_trial = True

    @property
    def looked(self) -> State:
        """What the last check has made of the files."""
        return self._states[-1]

    def look(self) -> tuple[str, ...]:
        """Take what is there now for ours: a check has just run, and may have formatted files.

        Returns what is wrong with those that are none any more.
        """
        now = self._now(self._wanted)
        self._states.append({path: data for path, data in now.items() if not isinstance(data, RefusedPathError)})
        gone = (path for path, data in now.items() if data is None and self._wanted[path] is not None)
        return (
            *(data.detail.partition(": name ")[0] for data in now.values() if isinstance(data, RefusedPathError)),
            *(f"{path} is gone" for path in gone),
        )

    def keep(self, grounds: Grounds) -> None:
        """What was tried last stays, as a check has formatted it; what is not in the tree any more is brought there."""
        if not self._current and self._now(self._wanted) != self._seen:
            self.settle(grounds)
        self._kept = True
        now = self._now(self._wanted)
        for path in sorted(path for path, data in self._wanted.items() if now[path] != data):
            self._tell(f"check: {path} was changed by the checks or by somebody meanwhile: it stays as it is now")

    def undo(self, grounds: Grounds) -> bool:
        """The tree as it was, with what was around it; whether it is so, or as planned, now.

        Nothing is done where neither this process nor the run's last one has changed anything, and where this one has
        not and somebody else has since. Raises ``NotPutBackError`` where the files cannot be written.
        """
        if self._kept:
            return True
        if not self._states or not (self._touched or self._on_trial):
            return False
        if not self._touched and self._foreign(self._now(self._states[0])):
            return False
        self._become(self._states[0], grounds, back=True)
        self._workspace.prune(grounds.missing)
        return True

    def _now(self, state: Mapping[str, bytes | None]) -> Seen:
        return {path: self._read(path) for path in state}

    def _read(self, path: str) -> bytes | RefusedPathError | None:
        try:
            return self._workspace.read(path)
        except RefusedPathError as blocked:
            return blocked

    def _foreign(self, now: Seen) -> list[str]:
        return [path for path, data in now.items() if not self._is_ours(path, data)]

    def _is_ours(self, path: str, data: bytes | RefusedPathError | None) -> bool:
        if isinstance(data, RefusedPathError):
            return self._on_trial
        return any(path in known and known[path] == data for known in self._states)

    def _become(self, state: State, grounds: Grounds, *, back: bool = False) -> None:
        """Bring the tree to *state*; *back*: with the files' old modes, too."""
        now = self._now(state)
        if foreign := self._foreign(now):
            raise CheckError(
                f"{', '.join(foreign)}: changed by someone else since the run began",
                hint="Put it back as it was, and go on with --resume; the run's own record holds the old bytes. "
                "To keep the tree as it is, remove the run's folder below .aidx/runs.",
            )
        modes = self._workspace.grounds(state).modes
        changes = {
            path: data
            for path, data in state.items()
            if data != now[path] or (back and path in modes and modes[path] != grounds.modes.get(path, modes[path]))
        }
        if back and not changes:
            return
        saved = self._saved(changes, now)
        modes = {**grounds.modes, **{to: modes[path] for path, to in saved.items() if path in modes}}
        blocked = tuple(path for path in changes if isinstance(now[path], RefusedPathError))
        before = {path: None if isinstance(data, RefusedPathError) else data for path, data in now.items()}
        try:
            moved = self._workspace.write(
                {**changes, **{to: before[path] for path, to in saved.items()}},
                {**before, **dict.fromkeys(saved.values())},
                Back(modes, blocked, self._aside),
            )
        except AidxError as error:
            if not back:
                raise
            raise NotPutBackError(tuple(changes), error) from None
        for at, to in moved:
            self._tell(f"check: what stood in the place of {at} is in {to} now")
        for path, to in saved.items():
            self._tell(f"check: {path} was changed by the checks or by somebody meanwhile: what it said is in {to}")

    def _saved(self, changes: State, now: Seen) -> dict[str, str]:
        """Where the bytes go of those of *changes* that no record holds."""
        lost = [path for path in changes if isinstance(now[path], bytes) and not self._is_recorded(path, now[path])]
        found: dict[str, str] = {}
        number = 0
        for path in lost if self._aside else ():
            while path not in found:
                number += 1
                to = f"{self._aside}/saved-{number}-{path.rpartition('/')[2]}"
                if self._workspace.read(to) is None:
                    found[path] = to
        return found

    def _is_recorded(self, path: str, data: object) -> bool:
        return any(path in known and known[path] == data for known in self._proposed)
