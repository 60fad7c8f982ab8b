"""The machine that a command line asks for: wishes over what is here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.sizes import gib
from aidx.errors import InputError
from aidx.plan.devices import ASSUMED_DRIVER, Device, Machine, host, wished_gpu

if TYPE_CHECKING:
    from aidx.plan.cards import Card


class Wish(Struct, frozen=True):
    """What was typed: sizes (0: CPU only) or names of cards, one a GPU; nothing: this machine.

    *driver* replaces the size of the driver's context on every GPU, *total* ignores what others use now.
    """

    vram: tuple[int, ...] = ()
    cards: tuple[str, ...] = ()
    host_ram: int | None = None
    driver: int | None = None
    total: bool = False


def granted(
    wish: Wish, *, here: Callable[[], Machine], ram: Callable[[], Device], cards: "Callable[[], Sequence[Card]]"
) -> Machine:
    """The machine of *wish*; *here* detects this one, *ram* its host alone, *cards* reads the table.

    Raises:
        InputError: For wishes that contradict each other, and for cards that are not known.
    """
    _check(wish)
    gpus, card = _wished(wish, cards)
    if card is not None:
        base = Machine(host(card.ram), gpus, (_note(card),))
    elif gpus or wish.vram:
        base = Machine(ram() if wish.host_ram is None else host(wish.host_ram), gpus)
    else:
        base = here()
        gpus = tuple(_driven(gpu, wish.driver) for gpu in base.gpus)
        base = replace(base, gpus=gpus, host=base.host if wish.host_ram is None else host(wish.host_ram))
    return _idle(base) if wish.total else base


def _idle(base: Machine) -> Machine:
    """*base* with nobody else on it."""
    return replace(base, host=replace(base.host, used=0), gpus=tuple(replace(gpu, used=0) for gpu in base.gpus))


def _check(wish: Wish) -> None:
    if wish.vram and wish.cards:
        raise InputError("--gpu and --vram both say which GPUs to plan for", hint="Give one of them.")
    if len(wish.vram) > 1 and not any(wish.vram):
        raise InputError("--vram 0 plans for the CPU alone, and is given twice", hint="Give it once.")
    if 0 in wish.vram and len(wish.vram) > 1:
        raise InputError(
            "--vram 0 plans for the CPU alone, and another --vram for a GPU", hint="Leave one of them out."
        )
    if wish.driver is not None and wish.vram == (0,):
        raise InputError("--driver is the driver's memory on a GPU, and --vram 0 plans for none", hint="Leave it out.")


def _wished(wish: Wish, cards: "Callable[[], Sequence[Card]]") -> tuple[tuple[Device, ...], "Card | None"]:
    """The GPUs that were asked for, and the one that shares its machine's RAM; none for those of this machine."""
    if wish.cards:
        from aidx.plan.cards import device, find  # noqa: PLC0415 - only a name of a card pays for it

        table = cards()
        found = [find(table, name) for name in wish.cards]
        sharing = next((_sharing(card, wish) for card in found if card.unified), None)
        return tuple(device(card, number, driver=wish.driver) for number, card in enumerate(found)), sharing
    driver = ASSUMED_DRIVER if wish.driver is None else wish.driver
    sizes = wish.vram if wish.vram != (0,) else ()
    asked = wish.driver is not None
    return tuple(wished_gpu(size, driver=driver, asked=asked, number=n) for n, size in enumerate(sizes)), None


def _note(card: "Card") -> str:
    return f"{card.name}: of {gib(card.ram)} of RAM its GPU may take {gib(card.memory)}: {card.rule}"


def _sharing(card: "Card", wish: Wish) -> "Card":
    """*card*, whose GPU works in its machine's RAM; ``InputError`` for wishes that contradict that."""
    if len(wish.cards) > 1:
        raise InputError(
            f"{card.name} shares the RAM of its machine, and an engine uses it only where there is no other GPU",
            hint="Plan for one of them.",
        )
    if wish.host_ram not in {None, card.ram}:
        raise InputError(
            f"{card.name} has its RAM, which its GPU shares, and --host-ram says another size",
            hint="Leave --host-ram out, or name the chip with that size.",
        )
    return card


def _driven(gpu: Device, driver: int | None) -> Device:
    return gpu if driver is None else replace(gpu, overhead=driver, overhead_why="as given by --driver")


def together(found: Sequence[Device], notes: Sequence[str]) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """The GPUs among *found* that one engine can use together, numbered in its order, and *notes* on the others.

    An integrated GPU is used only where there is no other (``llama_prepare_model_devices``), and an engine is built
    for one maker's cards.
    """
    own = [gpu for gpu in found if not gpu.unified] or list(found)
    makers = {gpu.label.split(" ")[0]: 0 for gpu in own}
    for gpu in own:
        makers[gpu.label.split(" ")[0]] += gpu.total - gpu.used
    best = max(makers, key=lambda maker: makers[maker], default="")
    used = [gpu for gpu in own if gpu.label.split(" ")[0] == best]
    left = [gpu for gpu in found if gpu not in used]
    said = tuple(f"{gpu.label} is not planned for: the engine uses the {best} GPUs" for gpu in left)
    return tuple(replace(gpu, name=f"gpu{number}") for number, gpu in enumerate(used)), (*notes, *said)
