"""The ports to programs of the user: checks, editors of their own, the version control."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Ran(Struct, frozen=True):
    """What became of a command: its exit *status* (negative: the signal that ended it), ``None`` after the timeout.

    *output* is standard output and error together; of a long one the middle is left out, and says so.
    """

    status: int | None
    output: str


class Errand(Struct, frozen=True):
    """Work for a program that edits: a *message*, the *files* it sees (``None``: to be made), the *path* to change."""

    message: str
    files: Mapping[str, bytes | None]
    path: str


class Worked(Struct, frozen=True):
    """What became of an errand: every file that is not as it was given, and what the program *said*."""

    files: Mapping[str, bytes | None]
    said: str


class Program(Protocol):
    """A program that edits files by itself, in a working tree of its own."""

    def work(self, errand: Errand) -> Worked:
        """Let it do *errand*; blocks until it ends or its time is over, and nothing of it goes on running.

        What it says of its success counts for nothing. Raises ``EngineError`` where it cannot be started.
        """
        ...


class Checker(Protocol):
    """Runs the commands that the user configured, and no others."""

    def run(self, argv: tuple[str, ...]) -> Ran:
        """Run *argv*, without a shell and in a process group of its own, of which nothing is left running.

        Blocks until it ends or its time is over. Raises ``EngineError`` where it cannot be started.
        """
        ...


class Repository(Protocol):
    """The version control that a tree is under."""

    def check(self, paths: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Raise ``InputError`` where *paths* could not be committed; those that have uncommitted edits by now."""
        ...

    def commit(self, message: str, paths: tuple[str, ...]) -> str:
        """Commit *paths* as they are now, and nothing else; the commit's name, the old one if it was made before.

        Raises ``CheckError`` where it is refused, by a hook say.
        """
        ...
