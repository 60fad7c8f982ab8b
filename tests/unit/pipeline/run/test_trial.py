"""What a run that was killed left on trial: taken back, or still on trial where somebody has changed it since."""

from aidx.pipeline.run.trial import Trial
from aidx.ports.workspace import Grounds


class Files:
    """A workspace in memory."""

    def __init__(self, **files: bytes) -> None:
        self.files = files

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, changes, before, back=None):
        assert all(self.files.get(path) == before[path] for path in changes)
        assert not back.blocked
        self.files.update(changes)
        return ()

    def grounds(self, paths) -> Grounds:
        return Grounds(modes=dict.fromkeys(paths, 0o644))

    def prune(self, folders) -> None:
        assert folders == ()


def resumed(files: Files) -> Trial:
    """A later process that tells again what was tried."""
    trial = Trial(files, on_trial=True)
    trial.propose({"a": b"new", "b": b"new"}, {"a": b"old", "b": b"old"})
    return trial


def test_what_was_on_trial_is_taken_back():
    files = Files(a=b"new", b=b"new")

    assert resumed(files).undo(Grounds())
    assert files.files == {"a": b"old", "b": b"old"}


def test_where_somebody_has_changed_it_since_it_stays_on_trial():
    files = Files(a=b"theirs", b=b"new")

    assert not resumed(files).undo(Grounds())
    assert files.files == {"a": b"theirs", "b": b"new"}


def test_who_never_heard_what_was_tried_has_taken_nothing_back():
    assert not Trial(Files(a=b"new")).undo(Grounds())


def test_what_is_kept_is_settled():
    files = Files(a=b"new", b=b"new")
    trial = resumed(files)
    trial.keep(Grounds())

    assert trial.undo(Grounds())
    assert files.files == {"a": b"new", "b": b"new"}
