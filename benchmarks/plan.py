"""How long ``aidx plan FILE --json`` takes, with and without asking the engine, beside peers.

    python benchmarks/plan.py                          Qwen2.5-Coder-14B's header, 152,064 tokens, no weights
    python benchmarks/plan.py MODEL.gguf --rounds 50   a file of yours
    python benchmarks/plan.py --peer "tool --json {file}"

Every round runs each command once, so that a busy machine is busy for all of them; ``python -c pass`` is the
floor that the machine sets. Everybody has compiled bytecode, as an installation has, and aidx has the header of
the file from the round that is not counted; ``--cold`` shows the first time. CPU is what all processes of a
command took together: on a machine that does other things too it says more than the wall does. Peers are taken
from PATH where they are installed: llmfit plans the same model from its own catalogue (it reads no file); hf-mem
needs the Hub, so only its ``--help`` is run, which is the least it can take. Peak RSS is that of the largest
process of a command.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ASKED_MS, FAST_MS, FAST_MIB = 200, 100, 32  # what docs/architecture.md promises
VRAM = "12GiB"
PEERS = {
    "llmfit": ["--json", "--memory", "12G", "plan", "Qwen/Qwen2.5-Coder-14B-Instruct", "--context", "8192"],
    "hf-mem": ["--help"],
}
LEAST = {"llmfit": "plan", "hf-mem": "--help"}


class Run(NamedTuple):
    """One run of one command."""

    milliseconds: float
    cpu: float
    mib: float
    status: int


class Row(NamedTuple):
    """All runs of one command."""

    name: str
    runs: list[Run]

    @property
    def median(self) -> float:
        """Median of the wall time in ms."""
        return statistics.median(run.milliseconds for run in self.runs)

    def as_json(self, floor: float) -> dict[str, object]:
        """The figures; *floor* is the median of ``python -c pass``."""
        return {
            "command": self.name,
            "runs": len(self.runs),
            "median_ms": round(self.median, 1),
            "best_ms": round(min(run.milliseconds for run in self.runs), 1),
            "cpu_ms": round(statistics.median(run.cpu for run in self.runs), 1),
            "ratio_to_pass": round(self.median / floor, 2),
            "peak_rss_mib": round(max(run.mib for run in self.runs), 1),
            "status": sorted({run.status for run in self.runs}),
        }


@contextmanager
def model_file(given: str | None) -> Iterator[str]:
    """The file to plan; made by a process of its own, because a child's peak RSS starts with its parent's."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "qwen2.5-coder-14b-q4_k_m.gguf"
        subprocess.run([sys.executable, Path(__file__).with_name("make_model.py"), path], check=True)
        yield str(path)


def settle(file: str) -> None:
    """Wait until *file* is so old that aidx trusts its time of change."""
    time.sleep(max(0.0, 2.5 - (time.time() - Path(file).stat().st_mtime)))


def commands(file: str, peers: list[str]) -> Mapping[str, list[str]]:
    """What is run, by the name that is shown."""
    aidx = shutil.which("aidx", path=str(Path(sys.executable).parent)) or shutil.which("aidx")
    if aidx is None:
        raise SystemExit("aidx is not installed beside this Python nor on PATH")
    plan = [aidx, "plan", file, "--json", "--vram", VRAM]
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "aidx plan --fast": [*plan, "--fast"],
        "aidx plan": plan,
        "aidx plan -c 8192": [*plan, "-c", "8192"],
    }
    for name, arguments in PEERS.items():
        if (program := shutil.which(name)) is not None:
            found[f"{name} {LEAST[name]}"] = [program, *arguments]
    for peer in peers:
        argv = [part.replace("{file}", file) for part in shlex.split(peer)]
        found[peer] = argv
    return found


def run(argv: list[str], environment: Mapping[str, str]) -> Run:
    """Run one command to its end, its output thrown away."""
    start = time.perf_counter()
    silence = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=silence, stdout=silence, stderr=silence, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    cpu = (usage.ru_utime + usage.ru_stime) * 1e3
    return Run(elapsed * 1e3, cpu, usage.ru_maxrss / unit, process.returncode)


@contextmanager
def caches() -> Iterator[dict[str, str]]:
    """An environment with empty caches of its own, for bytecode too, on a machine where nothing was ever measured."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        places = {"AIDX_CACHE_DIR": f"{folder}/aidx", "AIDX_STATE_DIR": f"{folder}/state"}
        yield environment | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"} | places


def measure(argvs: Mapping[str, list[str]], rounds: int, environment: Mapping[str, str], *, cold: bool) -> list[Row]:
    """Run each command once a round, after one round that only fills caches; *cold* empties aidx's before each."""
    rows = [Row(name, []) for name in argvs]
    for number in range(rounds + 1):
        for row in rows:
            if cold:
                shutil.rmtree(environment["AIDX_CACHE_DIR"], ignore_errors=True)
            result = run(argvs[row.name], environment)
            if number:
                row.runs.append(result)
    return rows


def show(rows: list[Row]) -> None:
    """A table for people, and what was promised."""
    floor = rows[0].median
    print(f"{'command':32} {'median ms':>10} {'best ms':>9} {'CPU ms':>7} {'x pass':>7} {'RSS MiB':>8}  exit")
    for row in rows:
        line = row.as_json(floor)
        times = f"{line['median_ms']:>10} {line['best_ms']:>9} {line['cpu_ms']:>7} {line['ratio_to_pass']:>7}"
        figures = f"{times} {line['peak_rss_mib']:>8}"
        print(f"{row.name[:32]:32} {figures}  {line['status']}")
    print(f"goals: aidx plan <= {ASKED_MS} ms, --fast <= {FAST_MS} ms and <= {FAST_MIB} MiB")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peer", action="append", default=[], metavar="CMD", help="a command; {file} is the model")
    parser.add_argument("--cold", action="store_true", help="read the header anew every time")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    with model_file(options.file) as file, caches() as environment:
        settle(file)
        rows = measure(commands(file, options.peer), options.rounds, environment, cold=options.cold)
    if options.as_json:
        print(json.dumps([row.as_json(rows[0].median) for row in rows], indent=1))
    else:
        show(rows)


if __name__ == "__main__":
    main()
