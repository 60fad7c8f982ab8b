"""The catalogue: models whose files are known without being here."""

from msgspec.structs import replace

from aidx.adapters.catalogue import read_catalogue, read_clouds
from aidx.adapters.reference import HubModel, tagged
from aidx.adapters.sources.file import refuse_place
from aidx.adapters.sources.local import open_stored
from aidx.adapters.stores.huggingface import HuggingFace
from aidx.adapters.stores.ollama import Ollama
from aidx.errors import InputError
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import Entry, find, find_cloud
from aidx.model.found import Resolved, Wanted
from aidx.model.published import fetch_line, repository
from aidx.model.quants import find as find_type
from aidx.model.spec import ModelSpec
from aidx.model.stored import Stored


class Catalogue:
    """Knows the catalogue's names; a file that its ``fetch`` line put into *cache* or *ollama* comes first."""

    def __init__(self, cache: HuggingFace, ollama: Ollama) -> None:
        self._cache = cache
        self._ollama = ollama

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model, always: raises ``InputError`` with the nearest names for one that is not there."""
        entry, quant = look_up(wanted)

        def at(other: str) -> ModelSpec:
            return from_catalogue(entry, other, imatrix=wanted.imatrix)

        pulled = None if wanted.imatrix else self._pulled(entry, quant, wanted)
        if pulled is not None:
            return Resolved(replace(pulled.model, name=entry.id), at)
        return Resolved(replace(at(quant), fetch=fetch_line(entry, quant, wanted.reference)), at)

    def _pulled(self, entry: Entry, quant: str, wanted: Wanted) -> Resolved | None:
        repo = repository(entry, quant)
        if repo is not None:
            found = self._cache.find_model(HubModel(repo, quant=quant))
            return open_stored(found, wanted) if isinstance(found, Stored) else None
        meant = Wanted(wanted.reference, None if entry.trained_in else quant)
        tags = (self._ollama.find(alias) for alias in entry.aliases if ":" in alias)
        opened = (open_stored(tag, meant) for tag in tags if isinstance(tag, Stored))
        return next((each for each in opened if each is not None), None)


def look_up(wanted: Wanted) -> tuple[Entry, str]:
    """The entry that *wanted* names, and the quantization; raises ``InputError`` for none or two of them."""
    reference = wanted.reference
    try:
        entry, named = find(read_catalogue(), reference)
    except InputError as error:
        _refuse_cloud(reference)
        refuse_place(reference)
        if tagged(reference) is not None:
            error.hint = f"For a repository on the hub type hf.co/{reference}; for a file, its path ends in .gguf."
        raise
    if wanted.quant and named and find_type(wanted.quant) != find_type(named):
        raise InputError(
            f"{reference} names {named}, and --quant {wanted.quant} another quantization",
            hint="Leave one of them out.",
        )
    return entry, find_type(wanted.quant or named or entry.native).name


def _refuse_cloud(reference: str) -> None:
    found = find_cloud(read_clouds(), reference)
    if found is not None:
        there = f"runs in the cloud ({found.provider}) and takes 0 bytes here"
        where = there if found.offered else f"is {found.standing.adherence_source}"
        raise InputError(
            f"{found.id} {where}: there is nothing to plan",
            hint=f"See what it is for: aidx roles {found.id}.",
            code="cloud_model",
        ) from None
