"""What the disk says no to, as one line: which place, why, and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from aidx.errors import InputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def hint(error: OSError) -> str:
    """What helps against *error*."""
    if error.errno in _FULL:
        return "Free some space there, and run again."
    if error.errno in _CLOSED:
        return "Make it writable, or work on a copy."
    return "Look at the disk, and run again."


@contextmanager
def writing(place: str) -> Iterator[None]:
    """What cannot be written in *place* is an ``InputError``."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {place}: {error.strerror or error}", hint=hint(error), code="cannot_write"
        ) from None
