"""What is sent to a model: named items, so that each one's tokens can be told."""

from msgspec import Struct


class Item(Struct, frozen=True):
    """A part of the user's message: *name* says what it is in the request ledger."""

    name: str
    text: str


class Turn(Struct, frozen=True):
    """A message after the user's: who says it in which *role*, and its *name* in the request ledger."""

    role: str
    name: str
    text: str


class Prompt(Struct, frozen=True):
    """One request: a *system* text ('' for none) and the *items* of one user message. There is no history.

    *later* are messages about the answer to it: a draft that is judged, and what is wrong with it.
    """

    system: str
    items: tuple[Item, ...]
    later: tuple[Turn, ...] = ()

    @property
    def user(self) -> str:
        """The user's message."""
        return "\n\n".join(item.text for item in self.items if item.text)

    @property
    def messages(self) -> list[dict[str, str]]:
        """As a chat completion request wants them."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        later = [{"role": turn.role, "content": turn.text} for turn in self.later]
        return [*system, {"role": "user", "content": self.user}, *later]

    @property
    def begins(self) -> tuple[tuple[str, "Prompt"], ...]:
        """The request cut off after its first part, after its second, …; each with the name of its last part."""
        items = tuple(item for item in self.items if item.text)
        names = ["template and system" if self.system else "template", *(item.name for item in items)]
        of_user = [Prompt(self.system, items[:number]) for number in range(len(names))]
        of_later = [Prompt(self.system, items, self.later[: number + 1]) for number in range(len(self.later))]
        return tuple(zip([*names, *(turn.name for turn in self.later)], [*of_user, *of_later], strict=True))
