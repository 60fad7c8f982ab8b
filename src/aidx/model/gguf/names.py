"""Names in a header: keys and tensor names."""

from aidx.errors import HeaderError
from aidx.model.gguf.cursor import Cursor, Steps
from aidx.model.gguf.kinds import LENGTH

_SHOWN = 80


def shown(name: str) -> str:
    """Quote *name* for a message: on one line, no control characters, not too long."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


def read_name(cursor: Cursor, field: str, longest: int) -> Steps[str]:
    """Read a name of 1 to *longest* bytes: UTF-8 without NUL, at which the engine would cut it."""
    yield from cursor.wait(LENGTH.size, field)
    start = cursor.offset
    size = cursor.word(LENGTH)
    if not 1 <= size <= longest:
        raise HeaderError(f"{size} bytes, 1 to {longest} are allowed", offset=start, field=field)
    yield from cursor.wait(size, field)
    raw = cursor.take(size)
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise HeaderError("not UTF-8", offset=start, field=field) from None
    if "\0" in name:
        raise HeaderError("holds a NUL byte", offset=start, field=field)
    return name
