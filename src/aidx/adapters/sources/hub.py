"""A repository of the hub: its GGUF file by header, or its checkpoint as what it would become."""

from collections.abc import Callable
from contextlib import closing

from msgspec.structs import replace

from aidx.adapters.checkpoint import resolve as resolve_checkpoint
from aidx.adapters.hub.api import Hub, Repo
from aidx.adapters.reference import HubModel, parse
from aidx.adapters.web.header import SECONDS, read_headers
from aidx.errors import InputError
from aidx.model.build import from_header
from aidx.model.found import Resolved, Wanted
from aidx.model.pick import RepoFile, models, pick
from aidx.model.safetensors.files import CONFIG


class HubSource:
    """Knows every address of the hub; *hub* is made when one is asked for."""

    def __init__(self, hub: Callable[[], Hub]) -> None:
        self._hub = hub

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model, from a few hundred kilobytes of it; raises ``InputError`` that lists what there is."""
        meant = parse(wanted.reference)
        if not isinstance(meant, HubModel):
            return None
        hub = self._hub()
        with closing(hub.web):
            return _resolve(hub, meant, wanted)


def _resolve(hub: Hub, meant: HubModel, wanted: Wanted) -> Resolved:
    repo = hub.repo(meant)
    if meant.path is None and not models(repo.files) and any(each.path == CONFIG for each in repo.files):
        quant = chosen(meant, wanted.quant)
        made = resolve_checkpoint(Remote(hub, repo), wanted, quant, f"hf.co/{meant.repo}")
        return replace(made, model=replace(made.model, fetch=f"hf download {meant.repo}"))
    parts = files_of(repo, meant, wanted.quant)
    named = ((f"hf.co/{repo.name}/{part.path}", hub.open(repo, part)) for part in parts)
    header, size = read_headers(named, hub.web.deadline(SECONDS))
    model = from_header(header, name=meant.name, source="hf", file_bytes=size)
    return Resolved(replace(model, fetch=pull_line(meant, wanted.quant)))


def pull_line(meant: HubModel, quant: str | None) -> str:
    """The command that fetches *meant*; ``--quant`` where the name says none."""
    return f"aidx pull {meant.name}" + (f" --quant {quant}" if quant and not meant.quant else "")


class Remote:
    """The files of a repository, as a checkpoint is read."""

    def __init__(self, hub: Hub, repo: Repo) -> None:
        self._hub = hub
        self._repo = repo
        self._files = {each.path: each for each in repo.files}

    def size(self, path: str) -> int | None:
        """Bytes of the file, ``None`` where it is missing."""
        return self._files[path].size if path in self._files else None

    def start(self, path: str, count: int) -> bytes:
        """The first *count* bytes of the file, fewer where it is shorter."""
        found = bytearray()
        file = self._files[path]
        opened, deadline = self._hub.open(self._repo, file), self._hub.web.deadline(SECONDS)
        for data in opened.read(0, min(count, file.size), deadline=deadline):
            found += data
            if len(found) >= count:
                break
        return bytes(found[:count])


def files_of(repo: Repo, meant: HubModel, quant: str | None) -> tuple[RepoFile, ...]:
    """The files of the model that *meant* and *quant* name, in order; raises ``InputError`` for none."""
    if meant.path is None:
        return pick(repo.files, chosen(meant, quant), meant.name)
    if quant is not None:
        raise InputError(f"--quant {quant} does not apply to a file: {meant.name}", hint="Leave --quant out.")
    found = [parts for parts in models(repo.files) if meant.path in {part.path for part in parts}]
    if not found:
        raise InputError(f"{meant.name}: there is no such model file", hint=f"See what there is: hf.co/{meant.repo}")
    return found[0]


def chosen(meant: HubModel, quant: str | None) -> str | None:
    """The quantization that the address or ``--quant`` names; raises ``InputError`` where they differ."""
    if meant.quant and quant and meant.quant.upper() != quant.upper():
        raise InputError(
            f"{meant.name} names {meant.quant}, and --quant {quant} another quantization",
            hint="Leave one of them out.",
        )
    return meant.quant or quant
