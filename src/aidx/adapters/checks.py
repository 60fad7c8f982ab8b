"""Runs the user's checks: no shell, a time limit, a bounded output."""

import os
from collections.abc import Collection
from tempfile import TemporaryFile

from aidx.adapters import command
from aidx.errors import EngineError
from aidx.ports.programs import Ran

TIMEOUT_S = 600.0


class ProcessChecker:
    """Commands in the folder *root*; the variables *withheld* (keys of services) are not handed to them."""

    def __init__(self, root: str, withheld: Collection[str] = (), timeout_s: float = TIMEOUT_S) -> None:
        self._root = root
        self._withheld = frozenset(withheld)
        self._timeout_s = timeout_s

    def run(self, argv: tuple[str, ...], given: str = "") -> Ran:
        """See ``ports.Checker``; *given* is there to be read on standard input."""
        environment = {name: value for name, value in os.environ.items() if name not in self._withheld}
        try:
            with TemporaryFile() as text:
                text.write(given.encode("utf-8", "replace"))
                text.seek(0)
                return command.run(argv, self._root, environment, self._timeout_s, text)
        except OSError as error:
            raise EngineError(
                f"the check {argv[0]} cannot be started: {error.strerror}",
                hint="Install it, or correct its line under [checks] in aidx.toml.",
                code="check_missing",
            ) from None
