"""What may be chosen: models of the catalogue, or one that was found, at the quantizations they can be had in."""

from functools import partial

from aidx.adapters.catalogue import read_catalogue
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import Entry, standing_of
from aidx.model.found import Resolved, Wanted
from aidx.model.quants import find as find_type
from aidx.plan.choice import QUANTS, Candidate


def everything(wanted: Wanted) -> tuple[Candidate, ...]:
    """All of the catalogue; raises ``InputError`` for an unknown quantization."""
    quant = None if wanted.quant is None else find_type(wanted.quant).name
    return tuple(_known(entry, quant, imatrix=wanted.imatrix) for entry in read_catalogue())


def only(found: Resolved, wanted: Wanted) -> tuple[Candidate, ...]:
    """The model that was *found*, at its own quantization where it is a file."""
    model, entries = found.model, read_catalogue()
    entry = next((entry for entry in entries if entry.id == model.name and found.variant), None)
    if entry is not None:
        named = model.quantization if model.quantization != entry.native or wanted.quant else None
        return (_known(entry, named, imatrix=wanted.imatrix),)
    standing = standing_of(model, entries)
    if found.variant is not None:  # a checkpoint, which can be quantized
        quants = (model.quantization,) if wanted.quant else QUANTS
        return (Candidate(model.name, standing, model.parameters, quants, found.variant, wanted.reference),)
    return (Candidate(model.name, standing, model.parameters, (model.quantization,), lambda _: model, model.path),)


def _known(entry: Entry, named: str | None, *, imatrix: bool) -> Candidate:
    one = named or entry.trained_in
    build = partial(from_catalogue, entry, imatrix=imatrix)
    return Candidate(entry.id, entry.standing, entry.parameters, (one,) if one else QUANTS, build)
