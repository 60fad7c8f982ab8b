"""Whether the Editor's prompt stays flat: thirty tasks one after another on the same file, beside aider.

    python benchmarks/pipeline.py [--tasks 30] [--aider PROGRAM]

Each task is one for one function of a module of thirty: give it a parameter. It is done by

- aidx with the model that ships, which answers in line edits (exact counts, the engine's own cache);
- aidx with a stub that answers in SEARCH/REPLACE blocks, over OpenAI's interface;
- aider, one session with its defaults, with the same stub over Ollama's interface; aider lives in an environment of its
  own (``uv tool install aider-chat``) and is left out where it is not found.

Prompts to the stub are counted by cl100k, whose ranks aider's environment brings (without it: 4 bytes a token).
``KV`` is what the longest prompt takes in the f16 cache of a 14B model (196,608 B a token).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from editor_stub import RANKS, Stub

CELL = 196_608  # bytes of KV cache a token: Qwen2.5-Coder-14B, 48 layers x 8 heads x 128 x K and V x f16
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
STUB = '[roles.editor]\nmodel = "stub"\nengine = "openai"\nurl = "{url}/v1"\nctx_size = 8192\ngate = 4096\n'


@dataclass(frozen=True)
class Series:
    """One way to do the tasks: the longest prompt of each, how many were done, the sizes of context it asked for."""

    name: str
    prompts: tuple[int, ...]
    done: int
    contexts: tuple[int, ...]
    requests: int

    @property
    def row(self) -> str:
        """A line of the table."""
        first, peak, last = self.prompts[0], max(self.prompts), self.prompts[-1]
        changes = sum(a != b for a, b in zip(self.contexts, self.contexts[1:], strict=False))
        kv = f"{peak * CELL / (1 << 30):.2f} GiB"
        done = f"{self.done} of {len(self.prompts)}"
        return f"{self.name:<41}{first:>7}{peak:>7}{last:>7}{kv:>10}{changes:>9}{self.requests:>9}  {done}"


def module(count: int) -> str:
    """The file that is worked on."""
    return "\n\n".join(BODY.format(n=number) for number in range(1, count + 1))


def done_in(root: Path, count: int) -> int:
    """How many functions have their parameter."""
    text = (root / "report.py").read_text()
    return sum(f"def total_{n}(rows, limit={n}):" in text for n in range(1, count + 1))


def by_aidx(name: str, count: int, table: str) -> Series:
    """Thirty runs of ``aidx run``, each with a plan of its own."""
    prompts, contexts, requests = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "report.py").write_text(module(count))
        checks = f"[checks]\nimports = {json.dumps([sys.executable, '-B', '-c', 'import report'])}\n"
        (root / "aidx.toml").write_text(checks + table)
        for number in range(1, count + 1):
            (root / "plan.md").write_text(PLAN.format(n=number))
            command = [sys.executable, "-m", "aidx", "run", "--json", "-q", "--plan", "plan.md", "--yes"]
            said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            run = json.loads(said.stdout)
            prompts.append(run["peak_prompt_tokens"]["editor"])
            contexts.append(run["peak_kv_bytes"]["editor"])
            requests += len(run["requests"])
        return Series(name, tuple(prompts), done_in(root, count), tuple(contexts), requests)


def by_aider(program: str, count: int, stub: Stub, url: str) -> Series:
    """One session with the defaults; its input is the tasks, one a line."""
    tasks = [f"In report.py, total_{n}: Add a parameter limit with default {n}." for n in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        root.mkdir()
        (root / "report.py").write_text(module(count))
        for words in (["init", "-q"], ["config", "user.name", "x"], ["config", "user.email", "x@example.invalid"]):
            subprocess.run(["git", "-C", root, *words], check=True)
        for words in (["add", "."], ["commit", "-qm", "chore: begin"]):
            subprocess.run(["git", "-C", root, *words], check=True)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "OLLAMA_API_BASE": url, "NO_PROXY": "*"}
        environment["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        flags = ["--no-analytics", "--no-check-update", "--no-show-release-notes", "--no-fancy-input", "--yes-always"]
        quiet = ["--no-pretty", "--no-stream", "--no-show-model-warnings", "--no-gitignore", "--edit-format=diff"]
        words = [program, "--model=ollama_chat/stub", *flags, *quiet, "report.py"]
        subprocess.run(
            words,
            cwd=root,
            env=environment,
            input="\n".join([*tasks, "/exit"]),
            text=True,
            capture_output=True,
            check=False,
        )
        return _session(stub.seen, count, done_in(root, count))


def _session(seen: Sequence[tuple[int, int | None]], count: int, done: int) -> Series:
    """The longest prompts are those of the turns; commit messages and summaries are the short ones between them."""
    every = [tokens for tokens, _ in seen]
    turns = sorted(range(len(every)), key=lambda place: every[place], reverse=True)[:count]
    contexts = tuple(context for _, context in seen if context is not None)
    prompts = tuple(every[place] for place in sorted(turns))
    return Series("aider 0.86, one session, SEARCH/REPLACE", prompts, done, contexts, len(seen))


def ranks(program: str | None) -> str | None:
    """The folder with cl100k's ranks in aider's environment."""
    if program is None:
        return None
    found = (
        Path(program).resolve().parents[1].glob("lib/python*/site-packages/litellm/**/9b5ad71b2ce5302211f9c61530b3*")
    )
    return next((str(path.parent) for path in found), None)


def main() -> None:
    """Do the tasks and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--aider", default=shutil.which("aider"))
    given = parser.parse_args()
    if (folder := ranks(given.aider)) is not None:
        os.environ[RANKS] = folder
    counted = "cl100k" if folder else "4 bytes a token"
    print(f"{given.tasks} tasks on one file; the stub counts prompts by {counted}")
    print(f"{'':<41}{'first':>7}{'peak':>7}{'last':>7}{'KV':>10}{'changes':>9}{'requests':>9}  done", flush=True)
    print(by_aidx("aidx, aidx-tiny, line edits", given.tasks, "").row, flush=True)
    stub = Stub()
    server, url = stub.serve()
    print(by_aidx("aidx, stub, SEARCH/REPLACE", given.tasks, STUB.format(url=url)).row, flush=True)
    if given.aider is None:
        print("aider is not installed: uv tool install aider-chat")
    else:
        stub.seen.clear()
        print(by_aider(given.aider, given.tasks, stub, url).row, flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()
