"""Routers on the same labelled prompts: AUC with its interval, and CPU time a prompt.

    python benchmarks/router/run.py [FILE] [--litellm PYTHON] [--cascadeflow PYTHON]

FILE is what `aidx route eval` takes; default: the held-out prompts of scripts/router. Peers run where a Python is named
that has them (`litellm`, `cascadeflow`), in environments of their own; they are asked what they say of a prompt, and
nothing is sent anywhere. Times are of this machine and this minute: the ratio counts.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from aidx.adapters.router import contents, current
from aidx.patterns.router import measure
from aidx.patterns.router.labelled import parse

HERE = Path(__file__).parent
HELD_OUT = HERE.parents[1] / "scripts" / "router" / "held-out.jsonl"
PEERS = ("litellm", "cascadeflow")
PASSES = 5


def ours(prompts: Sequence[str]) -> tuple[list[float], float]:
    """Probabilities, and the microseconds of CPU of the best of some passes."""
    router, _ = current()
    spent = []
    for _ in range(PASSES):
        began = time.process_time()
        chances = [router.probability(prompt) for prompt in prompts]
        spent.append(time.process_time() - began)
    return chances, min(spent) / len(prompts) * 1e6


def peer(name: str, python: str, prompts: Sequence[str]) -> dict[str, tuple[list[float], float]]:
    """Scores and microseconds of each router that a peer has."""
    script = HERE / f"{name}_scores.py"
    done = subprocess.run([python, str(script)], input=json.dumps(prompts), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    return {kind: (one["scores"], one["us"]) for kind, one in found.items()}


def _yardstick() -> float:
    """Microseconds of something that everybody knows, at the same time: 60 to 100 where nothing else runs."""
    spent = []
    for _ in range(100):
        began = time.process_time()
        sum(range(10_000))
        spent.append(time.process_time() - began)
    return min(spent) * 1e6


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("file", nargs="?", default=str(HELD_OUT))
    for name in PEERS:
        options.add_argument(f"--{name}", metavar="PYTHON")
    asked = options.parse_args()
    rows = parse(contents(asked.file), Path(asked.file).name)
    prompts, complexes = [row.prompt for row in rows], [row.is_complex for row in rows]
    found = {"aidx": ours(prompts), "prompt length": ([float(len(prompt)) for prompt in prompts], 0.0)}
    for name in PEERS:
        if python := getattr(asked, name):
            found |= peer(name, python, prompts)
    print(f"{len(rows)} prompts of {Path(asked.file).name}, {sum(complexes)} complex")
    print(f"{'router':24}{'AUC':>7}   {'95 %':14}{'us/prompt':>10}{'of aidx':>9}")
    for name, (scores, spent) in found.items():
        area = measure.auc(scores, complexes)
        ratio = f"{spent / found['aidx'][1]:8.1f}x" if spent else ""
        print(f"{name:24}{area.auc:7.3f}   {area.low:.3f} - {area.high:.3f} {spent:10.1f}{ratio:>9}")
    longest = max(prompts, key=len)
    repeated = (longest * (1 + 8192 // len(longest)))[:8192]
    print(f"a prompt of 8,192 characters: {ours([repeated] * 50)[1]:.1f} us; sum(range(10_000)): {_yardstick():.1f} us")


if __name__ == "__main__":
    main()
