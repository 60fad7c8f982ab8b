"""Programs on PATH for the time of a test."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fakes.places import PLACES

HERE = Path(__file__).parent
REAL = {"llama-server": PLACES.get("LLAMA_SERVER")}
"""Real programs that stand in for a script, where their path is given: ``scripts/build_llama_server.py`` makes one."""


@contextmanager
def on_path(name: str, script: str, **environment: str) -> Iterator[Path]:
    """*script*, a file beside this one, as the program *name*, first on PATH; *environment* is its own."""
    before = os.environ["PATH"]
    with TemporaryDirectory(prefix="aidx-bin-") as folder:
        program = Path(folder, name)
        words = " ".join(f"{key}={value}" for key, value in environment.items())
        real = None if environment else REAL.get(name)  # what an environment asks of a script no real program does
        run = f'"{real}"' if real else f'/usr/bin/env {words} "{sys.executable}" "{HERE / script}"'
        program.write_text(f'#!/bin/sh\nexec {run} "$@"\n')
        program.chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
        try:
            yield program
        finally:
            os.environ["PATH"] = before
