"""What was read of a model's file."""

from msgspec import Struct

from aidx.model.spec import Header


class FileHeader(Struct, frozen=True):
    """A header and where it stood: *file_bytes* over all parts, *paths* of the parts in order.

    *parts* are the headers of the parts themselves, where they were read just now.
    """

    header: Header
    file_bytes: int
    paths: tuple[str, ...]
    parts: tuple[Header, ...] = ()
