"""What a MODEL on the network may be called, and what that means.

``hf.co/ORG/REPO:QUANT`` is what Ollama and llama.cpp take; an address copied from the browser means the same.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.pick import is_inside

_HOSTS: Final = ("hf.co", "huggingface.co", "www.huggingface.co")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?\Z", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z", re.ASCII)
_HINT: Final = "Write hf.co/ORG/REPO:QUANT, say hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M."


class HubModel(Struct, frozen=True):
    """A repository of the hub, *repo* as ``ORG/NAME``; *quant* picks a file, *path* names one outright."""

    repo: str
    quant: str | None = None
    path: str | None = None
    revision: str = "main"

    @property
    def name(self) -> str:
        """How it is typed."""
        if self.path is not None:
            return f"hf.co/{self.repo}/{self.path}"
        return f"hf.co/{self.repo}" if self.quant is None else f"hf.co/{self.repo}:{self.quant}"


class WebFile(Struct, frozen=True):
    """A file at an https address."""

    url: str

    @property
    def name(self) -> str:
        """The file's own name, without its address, which may hold a signature."""
        return unquote(urlsplit(self.url).path.rsplit("/", 1)[-1])


def parse(reference: str) -> HubModel | WebFile | None:
    """What *reference* means on the network; ``None`` for a name that is none of the network's.

    Raises ``InputError`` for an address that is broken, not https, or of no .gguf file.
    """
    scheme, separator, _ = reference.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return _address(reference, scheme.lower())
    host, _, path = reference.partition("/")
    return _hub(path, reference) if host.lower() in _HOSTS else None


def is_repo(name: str) -> bool:
    """Whether *name* is ``ORG/NAME`` as the hub allows it."""
    parts = name.split("/")
    return len(parts) == 2 and all(_NAME.match(part) and ".." not in part and "--" not in part for part in parts)


def tagged(name: str) -> HubModel | None:
    """``ORG/REPO`` or ``ORG/REPO:QUANT`` without a host, as ``llama-server -hf`` takes it."""
    repo, separator, quant = name.partition(":")
    if not is_repo(repo) or (separator and not _TAG.match(quant)):
        return None
    return HubModel(repo, quant=_quant(quant))


def _address(reference: str, scheme: str) -> HubModel | WebFile:
    try:
        parts = urlsplit(reference)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        host = ""
    if not host or not reference.isprintable():
        raise InputError(f"{reference[:80]!r} is no address", hint="Give an https address of a .gguf file.")
    if scheme == "http":
        raise InputError(f"{host}: only https is spoken", hint="Give an https address.")
    if host in _HOSTS:
        return _hub(unquote(parts.path).strip("/"), reference)
    if not parts.path.lower().endswith(".gguf"):
        raise InputError(f"{host}: the address does not end in .gguf", hint="Give the address of a .gguf file.")
    return WebFile(reference)


def _hub(path: str, reference: str) -> HubModel:
    """``ORG/REPO``, ``ORG/REPO:QUANT``, ``ORG/REPO/FILE.gguf`` or ``ORG/REPO/resolve/REVISION/FILE.gguf``."""
    parts = path.split("/")
    last, separator, quant = "/".join(parts[:2]).partition(":")
    inside = parts[2:]
    if not is_repo(last) or (separator and (inside or not _TAG.match(quant))):
        raise InputError(f"{reference[:80]!r} names no repository of the hub", hint=_HINT)
    revision = "main"
    if len(inside) > 1 and inside[0] in ("resolve", "blob", "tree", "raw"):
        revision, inside = inside[1], inside[2:]
    if not _TAG.match(revision):
        raise InputError(f"{reference[:80]!r} names no revision", hint="Give the address of a file on a branch.")
    if not inside:
        if quant.lower().endswith(".gguf"):
            return HubModel(last, path=quant)
        return HubModel(last, quant=_quant(quant), revision=revision)
    if not is_inside(inside) or not inside[-1].lower().endswith(".gguf"):
        raise InputError(f"{reference[:80]!r} names no .gguf file", hint=_HINT)
    return HubModel(last, path="/".join(inside), revision=revision)


def _quant(tag: str) -> str | None:
    """``latest`` is what Ollama calls no tag at all."""
    return None if tag.lower() in ("", "latest") else tag
