"""The stores of other programs on this machine, by the names that those programs take."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from aidx.adapters import stores
from aidx.adapters.reference import HubModel, parse
from aidx.adapters.sources.file import model_at
from aidx.errors import EngineError, InputError
from aidx.model.found import Resolved, Wanted
from aidx.model.quants import find as find_type
from aidx.model.stored import Damaged, Stored
from aidx.ports.models import Store


def all_stores(environ: Mapping[str, str], home: Path) -> Iterator[Store]:
    """Every store that ``aidx.adapters.stores`` has a file for."""
    for module in iter_modules(stores.__path__):
        made = getattr(import_module(f"{stores.__name__}.{module.name}"), "STORE", None)
        if made is not None:
            yield made(environ, home)


class Local:
    """Asks *found* stores in turn; the first that knows the name answers."""

    def __init__(self, found: Iterable[Store]) -> None:
        self._stores = tuple(found)

    def find(self, wanted: Wanted) -> Resolved | None:
        """The stored model of that name; none at another quantization than asked for.

        Raises ``EngineError`` where the only store that knows it cannot give it.
        """
        broken = None
        for store in self._stores:
            found = store.find(wanted.reference)
            if isinstance(found, Damaged):
                broken = broken or found
            elif found is not None and (resolved := open_stored(found, wanted)) is not None:
                return resolved
        if broken is not None:
            raise EngineError(f"{broken.name}: {broken.why}", hint=broken.hint, code="model_damaged")
        return None


def open_stored(found: Stored, wanted: Wanted) -> Resolved | None:
    """The model behind *found*, ``None`` where *wanted* asks for another quantization of it."""
    if Path(found.path).is_dir():
        from aidx.adapters.checkpoint import Folder, resolve

        meant = parse(wanted.reference)
        named = meant.quant if isinstance(meant, HubModel) else None
        return resolve(Folder(Path(found.path)), wanted, wanted.quant or named, found.name)
    try:
        model = model_at(found.path, name=found.name, source=found.store)
    except InputError as error:
        raise EngineError(f"{found.name}: {error}", hint=error.hint, code="model_damaged") from None
    if wanted.quant is not None and find_type(wanted.quant).name != model.quantization:
        return None
    notes = tuple(f"{each} comes with {found.name} and is not planned" for each in found.beside)
    return Resolved(model, None, notes)
