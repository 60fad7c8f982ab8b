"""Make aidx-tiny from nothing: `python scripts/tiny/run.py --seed 0 --out DIR`.

Three programs in a row: `build.py` (corpus, tokenizer, tasks, training, GGUF), `evaluate.py`
(the held-out tasks through the engine) and `card.py` (the model card, and whether the result
is within its range). DIR receives `aidx-tiny.gguf`, `aidx-tiny-tasks.json`, `aidx-tiny.md`
and the figures they are made of. The same command goes on with a run that was stopped.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Read by OpenMP and the C library when a process starts; large blocks that are kept instead
# of returned to the system spare training many page faults.
SETTINGS = {
    "OMP_WAIT_POLICY": "passive",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
}


def start(program: str, *arguments: str | Path) -> None:
    """Run one of the programs beside this one."""
    environment = {**os.environ, **SETTINGS}
    subprocess.run([sys.executable, HERE / program, *arguments], env=environment, check=True)


def main() -> None:
    """Build, evaluate, describe."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", default="0", help="fixes the whole run")
    options.add_argument("--out", type=Path, required=True, help="the folder for the results")
    given = options.parse_args()
    start("build.py", "--seed", given.seed, "--out", given.out)
    start("evaluate.py", given.out / "aidx-tiny.gguf", given.out / "aidx-tiny-tasks.json", given.out)
    start("card.py", given.out)


if __name__ == "__main__":
    main()
