"""How commands that change things end when they are told to."""

import signal
import threading


def end_as_interrupted() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: put everything back, leave nothing running, end with 130."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.default_int_handler)
