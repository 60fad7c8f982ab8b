"""An engine's process, watched: started, told what to do, its log read line by line, its end noticed."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from signal import SIGILL
from subprocess import PIPE, Popen
from typing import IO, Any

from aidx.adapters.process import spawn, stop
from aidx.errors import EngineError

GRACE_S = 1.0  # between the request to end and the kill
KEPT = 40  # log lines kept to explain a death
ERROR = re.compile(r"(?:[\d.]+ )?E (.*)")  # llama.cpp's log: time, level, text

OF_ANOTHER_PROCESSOR = "its build has an instruction that this processor does not know"


class Child:
    """A child and the thread that starts it, reads its log and sees it end.

    The thread lives as long as the child, since the kernel ends a child with the thread that started it
    (``tether``). *order* is written to standard input, which stays open: its end is the request to end.
    *read* is handed every line of standard error until it returns true; later lines are dropped, since an
    engine may log what its users write. Raises ``EngineError`` when the program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], order: bytes, read: Callable[[str], bool]
    ) -> None:
        self.settled = threading.Event()
        self._read = read
        self._tail: deque[str] = deque(maxlen=KEPT)
        self._waiting: list[Future[str]] = []
        self._end = ""
        self._lock = threading.Lock()
        started: Future[Popen[bytes]] = Future()
        work = (started, tuple(argv), dict(env))
        threading.Thread(target=self._live, args=work, name="aidx-engine", daemon=True).start()
        self._process = started.result()
        with suppress(BrokenPipeError):  # died at once: its log says why
            stdin = _pipe(self._process.stdin)
            stdin.write(order)
            stdin.flush()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def end(self) -> str:
        """Why it ended; empty while it lives."""
        return self._end

    def answer(self) -> dict[str, Any]:
        """Wait for one line of JSON on standard output; empty when it died before."""
        line = _pipe(self._process.stdout).readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        return found

    def complaint(self) -> str:
        """The first error in the log, the cause of those after it, or else why it ended."""
        wrong = (found[1] for line in self._tail if (found := ERROR.match(line)))
        return " ".join(next(wrong, self._end).split())

    def ending(self) -> Future[str]:
        """A future of why it ended."""
        future: Future[str] = Future()
        with self._lock:
            if not self._end:
                self._waiting.append(future)
                return future
        future.set_result(self._end)
        return future

    def stop(self) -> None:
        """Close its standard input, which asks it to end; kill what does not; return when it is gone."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        stop(self._process, GRACE_S)
        self.ending().result()
        _pipe(self._process.stdout).close()

    def _live(self, started: Future[Popen[bytes]], argv: Sequence[str], env: Mapping[str, str]) -> None:
        try:
            process = spawn(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            started.set_exception(EngineError(f"{argv[0]} cannot be started: {error.strerror}"))
            return
        started.set_result(process)
        with _pipe(process.stderr) as log:
            for line in log:
                self._take(line.decode("utf-8", "replace"))
        self._finish(process.wait())

    def _take(self, line: str) -> None:
        if not self.settled.is_set():
            self._tail.append(line)
            if self._read(line):
                self.settled.set()

    def _finish(self, code: int) -> None:
        end = f"the engine was ended by signal {-code}" if code < 0 else f"the engine ended with status {code}"
        if -code == SIGILL:
            end = f"{end}: {OF_ANOTHER_PROCESSOR}"
        with self._lock:
            self._end = end
            waiting, self._waiting = self._waiting, []
        self.settled.set()
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(end)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "the child was started with pipes"
    return stream
