"""Where a MODEL is found: paths, what ships with the package, local stores, the hub, the catalogue."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aidx.model.found import Resolved, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aidx.adapters.hub.api import Hub
    from aidx.adapters.hub.pull import Tell
    from aidx.model.catalogue import Cloud
    from aidx.model.spec import Header, Metadata, ModelSpec
    from aidx.model.stored import Damaged, Listed, Pulled
    from aidx.plan.beside import Beside
    from aidx.plan.choice import Candidate
    from aidx.plan.files import Files
    from aidx.ports.models import Source


def resolve(reference: str, *, quant: str | None = None, imatrix: bool = False) -> Resolved:
    """The model that *reference* names: a path, a name of a local store or the catalogue, an address.

    Raises ``InputError`` for what is none of them, naming the nearest known names.
    """
    wanted = Wanted(reference, quant, imatrix)
    return _measured(next(found for source in _sources(wanted) if (found := source.find(wanted)) is not None))


def _measured(found: Resolved) -> Resolved:
    """*found* with the loss that was measured of its file, where one was."""
    from aidx.adapters import cachedir

    folder = cachedir.cache_dir()
    if found.model.path is None or folder is None or cachedir.read(folder / "losses.json", 4 << 20) is None:
        return found
    from aidx.adapters import losses

    known = losses.find(found.model)
    return found if known is None else replace(found, model=replace(found.model, measured_loss=known))


def beside(files: "Files", model: "ModelSpec") -> "Beside":
    """What *files* are, found to suit *model*; ``InputError`` for a wrong kind and for one of another model."""
    from aidx.plan.beside import NOTHING, Beside

    if not files.any:
        return NOTHING
    from pathlib import Path

    from aidx.adapters.stores.file import read_header
    from aidx.model import companion

    def header(path: str) -> "Header":
        return read_header(path).header

    loras = tuple(companion.lora(header(path), name=Path(path).name, path=path) for path in files.lora)
    for adapter in loras:
        companion.check_lora(adapter, model)
    projector = None
    if files.mmproj is not None:
        projector = companion.projector(header(files.mmproj), name=Path(files.mmproj).name, path=files.mmproj)
        companion.check_projector(projector, model)
    draft = None
    if files.model_draft is not None:
        draft = resolve(files.model_draft).model
        companion.check_draft(draft, model, tokens=(_with_tokens(draft), _with_tokens(model)))
    return Beside(loras, projector, draft)


def _with_tokens(model: "ModelSpec") -> "Metadata":
    """The metadata of *model* with its tokenizer, where its file is here."""
    from aidx.adapters.stores.file import read_header

    return model.header.metadata if model.path is None else read_header(model.path, keep_tokenizer=True).header.metadata


def resolve_for(engine: str, reference: str, *, quant: str | None = None, imatrix: bool = False) -> Resolved:
    """``resolve``, at the type in which *engine* takes weights where neither *quant* nor the name says one."""
    from aidx.plan.engines import find

    found = resolve(reference, quant=quant, imatrix=imatrix)
    own = find(engine).weights
    if own is None or quant is not None or found.variant is None:
        return found
    named = found.model.quantization.lower() in reference.lower()
    return found if named else replace(found, model=found.variant(own))


def _sources(wanted: Wanted) -> "Iterator[Source]":
    """Where a model is looked for, in this order; the last one answers or raises.

    Each is imported when those before it knew nothing: planning a file pays for no other, and the network
    is touched for its addresses only.
    """
    import os
    from pathlib import Path

    from aidx.adapters.sources.file import File
    from aidx.adapters.sources.shipped import Shipped

    yield from (Shipped(), File())
    from aidx.adapters.reference import parse
    from aidx.adapters.sources.local import Local, all_stores

    yield Local(all_stores(os.environ, Path.home()))
    if parse(wanted.reference) is not None:
        from aidx.adapters.sources.hub import HubSource
        from aidx.adapters.sources.web import WebSource
        from aidx.adapters.web.client import Web

        yield from (HubSource(hub), WebSource(Web))
    from aidx.adapters.sources.catalogue import Catalogue
    from aidx.adapters.stores.huggingface import HuggingFace
    from aidx.adapters.stores.ollama import Ollama

    yield Catalogue(HuggingFace(os.environ, Path.home()), Ollama(os.environ, Path.home()))


def candidates(
    reference: str | None = None, *, quant: str | None = None, imatrix: bool = False
) -> "tuple[Candidate, ...]":
    """What may be chosen: *reference* at each quantization that it can be had in, or all of the catalogue."""
    from aidx.adapters.candidates import everything, only

    wanted = Wanted(reference or "", quant, imatrix)
    return everything(wanted) if reference is None else only(resolve(reference, quant=quant, imatrix=imatrix), wanted)


def clouds() -> "tuple[Cloud, ...]":
    """The models of the cloud that are known."""
    from aidx.adapters.catalogue import read_clouds

    return read_clouds()


def cloud(reference: str) -> "Cloud | None":
    """The model of the cloud that *reference* names, or ``None``."""
    from aidx.model.catalogue import find_cloud

    return find_cloud(clouds(), reference)


def hub() -> "Hub":
    """The hub that the environment names; raises ``EngineError`` where it says to stay offline."""
    import os
    from pathlib import Path

    from aidx.adapters.hub.api import hub_from

    return hub_from(os.environ, Path.home())


def pull(reference: str, *, quant: str | None, tell: "Tell") -> "Pulled":
    """Fetch the model that *reference* names into the hub's cache; *tell* hears how far it is."""
    import os
    from pathlib import Path

    from aidx.adapters.fetch import pull as fetch

    return fetch(Wanted(reference, quant), os.environ, Path.home(), tell)


def stored() -> "tuple[list[Listed], list[Damaged]]":
    """What the local stores hold, and what is damaged in them."""
    import os
    from pathlib import Path

    from aidx.adapters.sources.local import all_stores
    from aidx.adapters.stored import read_all

    return read_all(all_stores(os.environ, Path.home()))
