"""A .gguf file at an https address."""

import shlex
from collections.abc import Callable
from contextlib import closing
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec.structs import replace

from aidx.adapters.reference import WebFile, parse
from aidx.adapters.sources.file import refuse_quant
from aidx.adapters.web.client import Deadline, Web
from aidx.adapters.web.header import SECONDS, read_header
from aidx.adapters.web.ranges import RemoteFile
from aidx.model.build import from_header
from aidx.model.found import Resolved, Wanted
from aidx.model.gguf.split import Part, join, part_names, part_of
from aidx.model.spec import Header

_KEPT: Final = "%/:=&?~#+!$,;'@()*[]"  # what an address may hold as it is


class WebSource:
    """Knows every https address; *web* is made when one is asked for."""

    def __init__(self, web: Callable[[], Web]) -> None:
        self._web = web

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model, from a few hundred kilobytes of it; a split one from all of its parts."""
        meant = parse(wanted.reference)
        if not isinstance(meant, WebFile):
            return None
        refuse_quant(wanted)
        with closing(self._web()) as web:
            deadline = web.deadline(SECONDS)
            header, size = _read(web, meant, deadline)
            if (part := part_of(header)) is not None:
                header, size = _read_parts(web, meant, part, deadline)
        model = from_header(header, name=meant.name, source="url", file_bytes=size)
        return Resolved(replace(model, fetch=fetch_line(meant)))


def fetch_line(meant: WebFile) -> str:
    """The command that fetches *meant*, unchecked: no checksum of it is known."""
    return f"curl -fLO {shlex.quote(meant.url)}"


def _read(web: Web, meant: WebFile, deadline: Deadline) -> tuple[Header, int]:
    file = RemoteFile(web, quote(meant.url, safe=_KEPT), name=meant.name)
    header = read_header(file, meant.name, deadline)
    return header, file.size or 0


def _read_parts(web: Web, meant: WebFile, part: Part, deadline: Deadline) -> tuple[Header, int]:
    read = [_read(web, WebFile(url), deadline) for url in _beside(meant, part)]
    return join([header for header, _ in read]), sum(size for _, size in read)


def _beside(meant: WebFile, part: Part) -> list[str]:
    """The addresses of all parts, in the same folder with the same query."""
    address = urlsplit(meant.url)
    folder, _, name = address.path.rpartition("/")
    return [urlunsplit(address._replace(path=f"{folder}/{each}")) for each in part_names(name, part)]
