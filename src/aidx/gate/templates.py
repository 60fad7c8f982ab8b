"""What the chat templates that we know make of messages, from a table keyed by the template's hash.

A model's own template is a program by a stranger and is never run here. The table says what a known one puts
before and after each message; whatever else it can do (tools, earlier thoughts) is left to the engine.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from msgspec import Struct

from aidx.gate.prompt import Turn

BLANK = " \t\n\v\f\r"


class Template(Struct, frozen=True):
    """One family's rules.

    *roles* are what stands before and after a message; *first* is said when there is no system text (``None``: only
    the engine knows, it may be the date), *last* begins the answer. With *joint* the system text stands in the
    last user's message, before this text. *trim*: messages lose blanks at both ends. *bos*: it begins with the
    beginning-of-sequence token. Text with one of *beyond* in it is treated in ways that only the engine knows.
    """

    family: str
    sha256: tuple[str, ...]
    source: str
    roles: dict[str, tuple[str, str]]
    last: str
    first: str | None = ""
    joint: str | None = None
    trim: bool = False
    bos: bool = False
    beyond: tuple[str, ...] = ()

    def render(self, turns: Sequence[Turn]) -> str | None:
        """The prompt, without the beginning-of-sequence token; ``None`` where only the engine can say."""
        if not turns or turns[-1].role != "user":
            return None
        for turn in turns:
            if not turn.plain:
                return None
        system = turns[0].role == "system"
        if not system and self.first is None:
            return None
        if self.joint is not None:
            return self._joined(turns[system:], turns[0].text if system else None)
        opening = self._message("system", turns[0].text, system=True) if system else self.first
        return self._all([opening, *[self._message(turn.role, turn.text) for turn in turns[system:]]])

    def _joined(self, turns: Sequence[Turn], system: str | None) -> str | None:
        """Users and assistants in turn; the system text before what the user said last."""
        if any(turn.role != ("user", "assistant")[number % 2] for number, turn in enumerate(turns)):
            return None
        texts = [turn.text for turn in turns]
        if system is not None:
            texts[-1] = f"{system}{self.joint}{texts[-1]}"
        return self._all([self._message(turn.role, text) for turn, text in zip(turns, texts, strict=True)])

    def _all(self, parts: "list[str | None]") -> str | None:
        return None if None in parts else "".join(parts) + self.last  # type: ignore[arg-type]  # none of them is None

    def _message(self, role: str, text: str, *, system: bool = False) -> str | None:
        around = self.roles.get(role)
        if around is None or (role == "system" and not system):
            return None
        for word in self.beyond:
            if word in text:
                return None
        if self.trim:
            if text.strip() != text.strip(BLANK):
                return None
            text = text.strip(BLANK)
        return f"{around[0]}{text}{around[1]}"


def fingerprint(text: str) -> str:
    """The key of a template: a line break at its very end makes no difference to what it says."""
    return sha256(text.removesuffix("\n").encode()).hexdigest()


def find(templates: Iterable[Template], text: str) -> Template | None:
    """The known template that *text* is."""
    key = fingerprint(text)
    return next((template for template in templates if key in template.sha256), None)
