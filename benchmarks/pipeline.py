"""Whether the Editor's prompt stays flat: thirty tasks one after another on the same tree.

    python benchmarks/pipeline.py [--tasks 30]

Each task is an ``aidx run`` of its own with a plan for one function of a module of thirty, edited by the model that
ships with aidx (``lines``) and checked by importing the module. Beside it, what a model that answers in SEARCH/REPLACE
blocks would be sent for the same step (``blocks``), counted by the same engine. Prints one line a task and a summary.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BODY = """\
def total_{n}(rows):
    \"\"\"Sum what the rows of kind {n} hold, without those that are void.\"\"\"
    found = 0
    for row in rows:
        if row.kind != {n}:
            continue
        if row.void:
            continue
        found += row.amount
    if found < 0:
        raise ValueError("kind {n} is negative")
    return found
"""
PLAN = """\
# Plan: bound total_{n}

Callers want to stop early; nothing else may change.

## Files
- `report.py` (edit)

## Steps
1. `report.py::total_{n}`: Add a parameter limit with default {n}.

## Checks
- imports
"""
BLOCKS = '[roles.editor]\nmodel = "aidx-tiny"\nengine = "embedded"\nedit_format = "blocks"\n'


def aidx(root: Path, *words: str) -> dict[str, object]:
    """What ``aidx run`` printed."""
    command = [sys.executable, "-m", "aidx", "run", "--json", "-q", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def task(root: Path, number: int) -> tuple[str, int, int, int]:
    """How task *number* ended, the prompt's tokens in both formats, and the engine's cache."""
    (root / "plan.md").write_text(PLAN.format(n=number))
    checks = f"[checks]\nimports = {json.dumps([sys.executable, '-B', '-c', 'import report'])}\n"
    (root / "aidx.toml").write_text(checks + BLOCKS)
    blocks = aidx(root, "--plan", "plan.md", "--dry-run")
    (root / "aidx.toml").write_text(checks)
    lines = aidx(root, "--plan", "plan.md", "--yes")
    sizes = [[request["prompt_tokens"] for request in run["requests"]] for run in (lines, blocks)]
    return str(lines["status"]), max(sizes[0], default=0), max(sizes[1], default=0), lines["peak_kv_bytes"]["editor"]


def main() -> None:
    """Run the tasks and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=30)
    count = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "report.py").write_text("\n\n".join(BODY.format(n=number) for number in range(1, count + 1)))
        found = []
        for number in range(1, count + 1):
            found.append(task(root, number))
            print(f"task {number:>2}: {found[-1][0]:<7} lines {found[-1][1]:>5}  blocks {found[-1][2]:>5}")
    for place, name in ((1, "lines"), (2, "blocks")):
        sizes = [row[place] for row in found]
        print(f"{name}: first {sizes[0]}, peak {max(sizes)}, last {sizes[-1]} prompt tokens")
    kv = {row[3] for row in found}
    print(f"done {sum(row[0] == 'done' for row in found)} of {count}; KV cache {kv} B, {len(kv) - 1} changes of n_ctx")


if __name__ == "__main__":
    main()
