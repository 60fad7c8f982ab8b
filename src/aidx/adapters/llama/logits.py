"""``Logits`` by the pinned engine, in a child process that holds the models."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any, Self

from msgspec import Struct

from aidx.adapters.llama.wheel import find_wheel
from aidx.adapters.process import spawn, stop
from aidx.budget.divergence import Scored, Top
from aidx.errors import EngineError, InputError
from aidx.model.tensor import TYPES

ROOT = str(Path(__file__).parents[3])
BOOT = "import sys; sys.path.append(sys.argv[1]); from aidx.adapters.llama.logits_child import main; main(sys.argv[2])"
TAIL = 4096
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")


class Side(Struct, frozen=True):
    """A model file and the types of its KV cache."""

    path: str
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"

    def __post_init__(self) -> None:
        """Refuse cache types that the engine does not take."""
        for kind in (self.cache_type_k, self.cache_type_v):
            if kind not in CACHE_TYPES:
                raise InputError(f"unknown cache type '{kind}'", hint=f"Choose one of {', '.join(CACHE_TYPES)}.")


class EngineLogits:
    """One child for the models of *sides*; use as a context manager. Not for several threads at once."""

    def __init__(self, sides: Sequence[Side], n_ctx: int, threads: int) -> None:
        library = find_wheel().library
        self._errors = os.memfd_create("engine-errors")
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GGML_", "LLAMA_"))}
        env["GGML_NO_BACKTRACE"] = "1"
        argv = [sys.executable, "-I", "-S", "-c", BOOT, ROOT, str(library)]
        try:
            self._child = spawn(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=self._errors)
        except OSError as error:
            os.close(self._errors)
            raise EngineError(f"the engine's child process cannot be started: {error}") from None
        order = {"sides": [_wish(side) for side in sides], "n_ctx": n_ctx, "threads": threads}
        try:
            self._ask(order)
        except (EngineError, KeyboardInterrupt):
            self.close()
            raise

    def __enter__(self) -> Self:
        """The models are loaded."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self.close()

    def close(self) -> None:
        """End the child and let go of it."""
        stop(self._child, grace_s=0)
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        os.close(self._errors)

    def tokenize(self, text: str) -> tuple[list[int], int | None, bool]:
        """See ``ports.Logits``."""
        reply = self._ask({"tokenize": text})
        return reply["tokens"], reply["bos"], reply["same"]

    def vocabulary(self) -> int:
        """Entries of the vocabulary of side 0."""
        return int(self._ask({"tokenize": ""})["vocabulary"])

    def compare(self, tokens: Sequence[int], first: int) -> list[Scored]:
        """See ``ports.Logits``."""
        rows = self._ask({"compare": list(tokens), "first": first})["rows"]
        return [Scored(nll, nll_reference, kld, bool(same)) for nll, nll_reference, kld, same in rows]

    def score(self, tokens: Sequence[int], first: int, side: int = 0) -> list[float]:
        """See ``ports.Logits``."""
        rows: list[float] = self._ask({"score": list(tokens), "first": first, "side": side})["rows"]
        return rows

    def top(self, tokens: Sequence[int], first: int, count: int, draws: Sequence[Sequence[float]]) -> list[Top]:
        """See ``ports.Logits``."""
        numbers = [list(each) for each in draws]
        reply = self._ask({"top": list(tokens), "first": first, "side": 0, "count": count, "draws": numbers})
        return [Top(*row) for row in reply["rows"]]

    def look(
        self, tokens: Sequence[int], first: int, ids: Sequence[Sequence[int]]
    ) -> list[tuple[float, int, list[float]]]:
        """See ``ports.Logits``."""
        wanted = [list(each) for each in ids]
        reply = self._ask({"look": list(tokens), "first": first, "side": 0, "ids": wanted})
        return [(nll, best, shares) for nll, best, shares in reply["rows"]]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with suppress(BrokenPipeError):  # it died: its last words say why
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line.endswith(b"\n"):
            raise EngineError(f"the engine died: {self._last_words()}", hint="Give it more memory, or a smaller -c.")
        reply: dict[str, Any] = json.loads(line)
        if "refused" in reply:
            why = self._last_words()
            raise EngineError(f"{reply['refused']}{f' ({why})' if why else ''}", hint="Check the model and -ctk, -ctv.")
        return reply

    def _last_words(self) -> str:
        size = os.fstat(self._errors).st_size
        lines = os.pread(self._errors, TAIL, max(0, size - TAIL)).decode("utf-8", "replace").strip().splitlines()
        return lines[-1].rpartition("/llama.cpp/")[2].strip() if lines else ""


def _wish(side: Side) -> dict[str, object]:
    return {"path": side.path, "type_k": TYPES[side.cache_type_k].number, "type_v": TYPES[side.cache_type_v].number}
