"""Imported by every Python that the tests start: it can connect to this machine and to no other."""

import sys

HERE = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")
CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class LeavesTheMachineError(RuntimeError):
    """A test, or what it tests, wanted to speak to another machine."""


def watch(event, arguments):
    if event in CONNECTS:
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(HERE):
            raise LeavesTheMachineError(f"a connection to {address[0]} was stopped: tests speak to this machine only")


sys.addaudithook(watch)
