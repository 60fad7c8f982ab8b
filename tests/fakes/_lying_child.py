"""The process of the lying engine: the real engine's, in bad company. What it lies about stands in LIES.

Runs as a module through ``PYTHONPATH``: ``ballast`` bytes that nobody is told of, a ``daemon`` that holds as many and
leaves the process group, ``grows`` by so many every tenth of a second, ``deaf`` to being asked to end.
"""

import os
import runpy
import signal
import sys
import threading
import time

MOST = 2 << 30  # that it grows to, should nobody end it
LIES = "GGML_LYING"  # passed on to an engine, as everything of ggml's is


def lies():
    return dict(pair.split("=") for pair in os.environ.get(LIES, "").split(",") if pair)


def hold(size):
    """Memory that is really there: every page is written."""
    found = bytearray(size)
    found[::4096] = b"x" * len(range(0, size, 4096))
    return found


def daemon(size):
    """A grandchild that nobody waits for, in a session of its own."""
    if os.fork():
        return
    os.setsid()
    for number in range(3):
        os.close(number)
    kept = hold(size)
    while True:
        time.sleep(1)
        kept[0] = 1


def grow(size):
    """Hold *size* bytes more every tenth of a second, once the engine had time to load."""
    kept = []
    time.sleep(2)
    while len(kept) * size < MOST:
        kept.append(hold(size))
        time.sleep(0.1)
    threading.Event().wait()


def main():
    told = lies()
    if size := int(told.get("daemon", 0)):
        daemon(size)
    kept = hold(int(told.get("ballast", 0)))
    if size := int(told.get("grows", 0)):
        threading.Thread(target=grow, args=(size,), daemon=True).start()
    if told.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os._exit = lambda _: threading.Event().wait()  # the end of standard input is not heard either
    sys.argv = sys.argv[:1]
    runpy.run_module("aidx.adapters.engines._embedded_child", run_name="__main__", alter_sys=True)
    return kept


if __name__ == "__main__":
    main()
