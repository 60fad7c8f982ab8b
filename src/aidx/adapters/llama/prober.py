"""The ``Prober`` that asks llama.cpp itself, in a child process."""

import json
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Timer
from typing import Any, NamedTuple

from aidx.adapters.llama.ghost import Ghost, ghost
from aidx.adapters.llama.wheel import PINNED, Wheel, find_wheel
from aidx.adapters.process import spawn, stop
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.model.companion import Projector
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.model.spec import ModelSpec
from aidx.model.tensor import TYPES
from aidx.plan.probe import Answer, Buffer, Probe, Probed, Unanswered

DEADLINE_S = 10.0  # a probe takes about 0.05 s
ROOT = str(Path(__file__).parents[3])  # the folder that holds the package aidx
# Without site and user paths a child starts in half the time; its modules come from the cache of bytecode.
BOOT = "import sys; sys.path.append(sys.argv[1]); from aidx.adapters.llama.child import main; main(sys.argv[2])"
TAIL = 4096  # bytes of the engine's last words that are looked at
MOST_DEVICES = 16  # llama_max_devices() of the pinned build
MOST = 1 << 31  # settings are 32-bit integers in the engine


class _RefusedError(EngineError):
    """The engine runs on and will not have this model or these settings."""


class _DiedError(EngineError):
    """The engine ended over this model or these settings."""


class _SilenceError(Exception):
    """The child ended instead of answering."""


class _Loaded(NamedTuple):
    model: ModelSpec
    gpus: tuple[int, ...]
    n_gpu_layers: int
    n_cpu_moe: int
    split_mode: str
    main_gpu: int
    tensor_split: tuple[float, ...]


class EngineProber:
    """Asks the pinned engine; one child for all questions, one model in it at a time.

    Probes that differ only in settings of the context share the loaded model. Not for use by several
    threads at once.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, pinned: str = PINNED) -> None:
        self._deadline_s = deadline_s
        self._pinned = pinned
        self._child: _Child | None = None
        self._loaded: _Loaded | None = None
        self._ghost: tuple[ModelSpec, Ghost] | None = None

    def warm(self) -> None:
        """Start the child now, so that it gets ready while the caller reads the header; never raises."""
        try:
            self._started()
        except EngineError:
            self.close()

    def ask(self, probe: Probe) -> Answer:
        """Answer *probe*; blocks for about 0.05 s, at most for the deadline; never raises."""
        try:
            return self._asked(probe)
        except _RefusedError as error:
            return Unanswered(str(error), refused=True)
        except InputError as error:
            return Unanswered(f"the header cannot be written for the engine: {error}", refused=True)
        except EngineError as error:
            self.close()
            return Unanswered(str(error), refused=isinstance(error, _DiedError))

    def close(self) -> None:
        """End the child process, if one was started; asking again starts another."""
        if self._child is not None:
            self._child.close()
        self._child = self._loaded = None

    def _started(self) -> "_Child":
        if self._child is None:
            self._child = _Child(find_wheel(self._pinned), self._deadline_s)
        return self._child

    def _asked(self, probe: Probe) -> Probed:
        child = self._started()
        if probe.projector is not None:
            return _projected(child, probe.projector, probe.gpus)
        context = _context(probe.settings)
        wanted = _wanted(probe)
        if self._loaded is None or not _same(self._loaded, wanted):
            self._load(child, wanted)
        reply = child.exchange({"context": context})
        buffers = tuple(Buffer(*row) for row in reply["buffers"])
        return Probed(buffers, reply["n_ctx"], child.wheel.build)

    def _load(self, child: "_Child", wanted: _Loaded) -> None:
        if self._ghost is None or self._ghost[0] is not wanted.model:
            self._ghost = (wanted.model, ghost(wanted.model))
        header, hole = self._ghost[1].header, self._ghost[1].hole
        placed = {name: value for name, value in wanted._asdict().items() if name != "model"}
        request = {"header": len(header), "hole": hole, **placed}
        self._loaded = None
        child.exchange({"model": request}, header)
        self._loaded = wanted


class _Child:
    """The process that holds the engine, and the talk with it."""

    def __init__(self, wheel: Wheel, deadline_s: float) -> None:
        self.wheel = wheel
        self.deadline_s = deadline_s
        self.greeted = False
        self.errors = os.memfd_create("engine-errors")  # a pipe could fill up, a file could be left behind
        # Settings of the engine in our environment are meant for a real one, not for a plan.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GGML_", "LLAMA_"))}
        env["GGML_NO_BACKTRACE"] = "1"  # an abort would wait 10 s for a debugger
        argv = [sys.executable, "-I", "-S", "-c", BOOT, ROOT, str(wheel.library)]
        try:
            self.process: Popen[bytes] = spawn(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=self.errors)
        except OSError as error:
            os.close(self.errors)
            raise EngineError(f"the engine's child process cannot be started: {error}") from None

    def exchange(self, request: dict[str, Any], payload: bytes = b"") -> dict[str, Any]:
        """Send *request* and *payload*, return the reply; whatever else happens is an ``EngineError``."""
        expired: list[bool] = []
        timer = Timer(self.deadline_s, self._expire, [expired])
        timer.start()
        try:
            if not self.greeted:
                self._greet()
            reply = self._talk(json.dumps(request).encode() + b"\n" + payload)
        except _SilenceError:
            raise self._ended(late=bool(expired)) from None
        finally:
            timer.cancel()
        if "refused" in reply:
            raise _RefusedError(f"the engine refuses: {reply['refused']}")
        return reply

    def _ended(self, *, late: bool) -> EngineError:
        if late:
            return EngineError(f"the engine gave no answer in {self.deadline_s:g} s")
        if not self.greeted:
            return EngineError(f"the engine's child process cannot start: {self._last_words()}")
        return _DiedError(f"the engine died: {self._last_words()}")

    def _expire(self, expired: list[bool]) -> None:
        expired.append(True)
        self.process.kill()

    def _greet(self) -> None:
        """Hear whether the library is the one that is known."""
        greeting = self._talk(b"")
        if "mismatch" in greeting:
            raise EngineError(f"{self.wheel.build} is not the pinned build: {greeting['mismatch']}")
        self.greeted = True

    def _talk(self, message: bytes) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(message)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise _SilenceError from None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _SilenceError
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        """The last line that the engine wrote before it died."""
        size = os.fstat(self.errors).st_size
        text = os.pread(self.errors, TAIL, max(0, size - TAIL)).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        # An assert names the source file with the path that it had where the wheel was built.
        return lines[-1].rpartition("/llama.cpp/")[2] if lines else f"exit status {self.process.wait()}"

    def close(self) -> None:
        """Kill the child, which has nothing to lose, and let go of it."""
        stop(self.process, grace_s=0)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                # What a dead child never read is flushed on closing.
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        os.close(self.errors)


def _projected(child: "_Child", projector: Projector, gpus: tuple[int, ...]) -> Probed:
    """What the engine says of *projector*: the bytes of weights and compute on each device."""
    tensors = projector.header.tensors
    metadata = {key: value for key, value in projector.header.metadata.items() if key != "general.alignment"}
    header = render(metadata, lay_out(tensors), kinds=projector.header.kinds)
    request = {"header": len(header), "hole": data_size(tensors), "gpus": gpus}
    rows = child.exchange({"projector": request}, header)["devices"]
    buffers = tuple(Buffer(device, "projector", 0, 0, size) for device, size in rows)
    return Probed(buffers, 0, child.wheel.build)


def _wanted(probe: Probe) -> _Loaded:
    settings = probe.settings
    if len(probe.gpus) > MOST_DEVICES:
        raise _RefusedError(f"the engine takes {MOST_DEVICES} GPUs at most, not {len(probe.gpus)}")
    return _Loaded(
        probe.model,
        probe.gpus,
        settings.n_gpu_layers,
        settings.n_cpu_moe,
        settings.split_mode if probe.gpus else "layer",
        settings.main_gpu,
        settings.tensor_split if len(probe.gpus) > 1 else (),
    )


def _same(loaded: _Loaded, wanted: _Loaded) -> bool:
    """Whether the loaded model will do; models are compared by identity, since a header is long."""
    return loaded.model is wanted.model and loaded[1:] == wanted[1:]


def _context(settings: Settings) -> dict[str, int]:
    """The fields of ``llama_context_params`` as llama-server sets them for *settings*."""
    fields = {
        "n_ctx": settings.ctx_size,
        "n_batch": settings.batch_size,
        "n_ubatch": settings.ubatch_size,
        "n_seq_max": settings.parallel,
        "n_outputs_max": settings.n_outputs,
        "flash_attn_type": int(settings.flash_attn),
        "type_k": TYPES[settings.cache_type_k].number,
        "type_v": TYPES[settings.cache_type_v].number,
        "swa_full": settings.swa_full,
        "kv_unified": settings.kv_unified,
    }
    for name, value in fields.items():
        if not 0 <= value < MOST:
            raise _RefusedError(f"the engine cannot take {name} = {value}")
    return fields
