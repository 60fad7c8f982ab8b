"""Programs on PATH for the time of a test."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent


@contextmanager
def on_path(name: str, script: str, **environment: str) -> Iterator[Path]:
    """*script*, a file beside this one, as the program *name*, first on PATH; *environment* is its own."""
    before = os.environ["PATH"]
    with TemporaryDirectory(prefix="aidx-bin-") as folder:
        program = Path(folder, name)
        words = " ".join(f"{key}={value}" for key, value in environment.items())
        program.write_text(f'#!/bin/sh\nexec /usr/bin/env {words} "{sys.executable}" "{HERE / script}" "$@"\n')
        program.chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
        try:
            yield program
        finally:
            os.environ["PATH"] = before
