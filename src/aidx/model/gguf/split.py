"""Models in several files, as ``llama-gguf-split`` cuts them.

Every part says which of how many it is; the first one holds the metadata, and the engine finds the others
by their names: ``NAME-00001-of-00003.gguf``.
"""

import re
from collections.abc import Sequence
from itertools import chain

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.gguf import limits
from aidx.model.gguf.names import shown
from aidx.model.gguf.render import lay_out
from aidx.model.spec import Array, Header

NUMBER = "split.no"
COUNT = "split.count"
TENSORS = "split.tensors.count"
_KEYS = (NUMBER, COUNT, TENSORS)
_MOST = 65_535
"""The engine reads number and count as u16."""
_SUFFIX = re.compile(r"-(\d{5})-of-(\d{5})\.gguf\Z", re.ASCII)
_HINT = "Keep all parts of the model in one folder under the names they were published with."


class Part(Struct, frozen=True):
    """Which part a file is: *number* from 0, of *count*; *tensors* of the whole model, where it is said."""

    number: int
    count: int
    tensors: int | None


def part_of(header: Header) -> Part | None:
    """Return which part *header* belongs to, ``None`` for a model in one file."""
    count = _integer(header, COUNT)
    if count is None or count < 2:
        return None
    number = _integer(header, NUMBER)
    if number is None:
        raise InputError(f"{COUNT} is {count}, and {NUMBER} is missing", hint=_HINT)
    if number >= count:
        raise InputError(f"{NUMBER} is {number}, with {COUNT} {count} it is below that", hint=_HINT)
    return Part(number, count, _integer(header, TENSORS, _MOST * limits.TENSORS))


def part_names(name: str, part: Part) -> tuple[str, ...]:
    """Return the names of all parts from the *name* of one, which must be that of *part*."""
    match = _SUFFIX.search(name)
    wanted = f"-{part.number + 1:05d}-of-{part.count:05d}.gguf"
    if match is None or match[0] != wanted:
        raise InputError(f"part {part.number + 1} of {part.count} has a name that does not end in {wanted}", hint=_HINT)
    stem = name[: match.start()]
    return tuple(f"{stem}-{number:05d}-of-{part.count:05d}.gguf" for number in range(1, part.count + 1))


def join(headers: Sequence[Header]) -> Header:
    """Return the header of the model that the parts make, in order.

    It is that of the file which ``llama-gguf-split --merge`` would write: the metadata of the first part
    without ``split.*``, all tensors with offsets laid out anew; only *size* is the sum of the parts'.
    Raises ``InputError`` when parts are missing, doubled, out of order or of different models.
    """
    first = headers[0]
    whole = part_of(first)
    if whole is None:
        raise InputError(f"the first of {len(headers)} parts has no {COUNT}", hint=_HINT)
    if whole.count != len(headers):
        raise InputError(f"the model has {whole.count} parts, {len(headers)} are here", hint=_HINT)
    for number, header in enumerate(headers):
        _check_part(number, header, first, whole)
    tensors = tuple(chain.from_iterable(header.tensors for header in headers))
    if whole.tensors is not None and whole.tensors != len(tensors):
        raise InputError(f"the parts hold {len(tensors)} tensors, the model has {whole.tensors}", hint=_HINT)
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise InputError(f"tensor {shown(tensor.name)} is in two parts", hint=_HINT)
        seen.add(tensor.name)
    return Header(
        metadata={key: value for key, value in first.metadata.items() if key not in _KEYS},
        tensors=lay_out(tensors, first.alignment),
        size=sum(header.size for header in headers),
        alignment=first.alignment,
        version=first.version,
        kinds={key: kind for key, kind in first.kinds.items() if key not in _KEYS},
    )


def _check_part(number: int, header: Header, first: Header, whole: Part) -> None:
    part = part_of(header)
    if part is None or (part.number, part.count) != (number, whole.count):
        said = "a whole model" if part is None else f"part {part.number + 1} of {part.count}"
        raise InputError(f"part {number + 1} of {whole.count} says that it is {said}", hint=_HINT)
    if part.tensors != whole.tensors:
        raise InputError(
            f"part {number + 1} says that the model has {part.tensors} tensors, part 1 says {whole.tensors}",
            hint=_HINT,
        )
    name = "general.architecture"
    mine, wanted = header.metadata.get(name), first.metadata.get(name)
    if mine is not None and mine != wanted:
        raise InputError(f"part {number + 1} is of architecture {mine!r}, part 1 of {wanted!r}", hint=_HINT)


def _integer(header: Header, key: str, most: int = _MOST) -> int | None:
    value = header.metadata.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        said = "an array" if isinstance(value, Array) else shown(str(value))
        raise InputError(f"{key} is {said}, 0 to {most} are allowed", hint=_HINT)
    return value
