"""This machine, from everything that can say something of it."""

from importlib import import_module
from pkgutil import iter_modules

from aidx.adapters import hardware
from aidx.adapters.hardware import memory
from aidx.plan.devices import Found, Machine
from aidx.plan.wish import together


def this_machine() -> Machine:
    """The GPUs that one engine can use together, with what the tables know of them, and the host."""
    found = _found()
    gpus, notes = together(
        [gpu for source in found for gpu in source.gpus], [note for source in found for note in source.notes]
    )
    if gpus:  # reading the tables takes a few milliseconds
        from aidx.adapters.cards import read_cards, read_chips
        from aidx.plan.cards import known

        cards, chips = read_cards(), read_chips()
        gpus = tuple(known(cards, chips, gpu) for gpu in gpus)
    return Machine(memory.read(), gpus, notes)


def _found() -> list[Found]:
    """What each module of ``hardware`` that has a ``find`` sees."""
    sources = (import_module(f"{hardware.__name__}.{module.name}") for module in iter_modules(hardware.__path__))
    return [source.find() for source in sources if hasattr(source, "find")]
