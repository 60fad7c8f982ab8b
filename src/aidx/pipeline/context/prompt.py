"""What is sent to a model: named items, so that each one's tokens can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A part of the user's message: *name* says what it is in the request ledger."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: a *system* text ('' for none) and the *items* of one user message. There is no history."""

    system: str
    items: tuple[Item, ...]

    @property
    def user(self) -> str:
        """The user's message."""
        return "\n\n".join(item.text for item in self.items if item.text)

    @property
    def messages(self) -> list[dict[str, str]]:
        """As a chat completion request wants them."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]
