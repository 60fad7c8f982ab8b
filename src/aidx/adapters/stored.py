"""Everything that the local stores hold, with what its headers say."""

from collections.abc import Iterable

from aidx.adapters.sources.local import open_stored
from aidx.errors import AidxError
from aidx.model.found import Wanted
from aidx.model.stored import Damaged, Listed
from aidx.ports.models import Store


def read_all(stores: Iterable[Store]) -> tuple[list[Listed], list[Damaged]]:
    """The models, and what is listed somewhere and cannot be used; reads the header of each file."""
    good: dict[tuple[str, str], Listed] = {}
    bad: list[Damaged] = []
    for store in stores:
        for each in store.models():
            if isinstance(each, Damaged):
                bad.append(each)
                continue
            try:
                found = open_stored(each, Wanted(each.name))
            except AidxError as error:
                bad.append(Damaged(each.name, each.store, str(error), error.hint))
                continue
            assert found is not None  # no quantization was asked for
            model = found.model
            good.setdefault(
                (each.name, each.path),
                Listed(
                    name=each.name,
                    store=each.store,
                    path=each.path,
                    file_bytes=model.file_bytes,
                    quantization=model.quantization,
                    architecture=model.architecture,
                    context_length=model.context_length,
                    parameters=model.parameters,
                    beside=each.beside,
                    checkpoint=model.source == "safetensors",
                ),
            )
    return list(good.values()), bad
