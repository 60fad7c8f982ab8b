"""The hard rules of Hybrid Routing: what decides before anybody judges how hard a request is."""

from typing import Final, NamedTuple

from msgspec import Struct

from aidx.errors import InputError
from aidx.patterns.prompt import Prompt
from aidx.patterns.route_private import Private, secret
from aidx.patterns.router.features import files_named
from aidx.patterns.terms import Terms

EDITOR: Final = "editor"
ARCHITECT: Final = "architect"
FILES = 4  # named in a request: from so many on it is planned
BARE = 3  # words of a message without a task of its own, such as "yes, do it"


class Fired(NamedTuple):
    """One rule and what it says; *role* is ``None`` where it leaves the choice to the next one."""

    rule: str
    role: str | None
    says: str


class Ruling(Struct, frozen=True):
    """What the rules say: *role* where one has decided, *allowed* who may be asked, *fired* all in order."""

    role: str | None
    allowed: frozenset[str]
    fired: tuple[Fired, ...]

    @property
    def says(self) -> str:
        """The words of the rule that decided."""
        return self.fired[-1].says


def rule(prompt: Prompt, terms: Terms, *, files: int = FILES, private: Private = secret) -> Ruling:
    """Go through the rules in their order, up to the one that decides.

    Raises ``InputError`` where nobody is left that may be asked.
    """
    fired = [_confined(prompt, terms, private)]
    allowed = terms.roles - terms.remote if fired[0].role else terms.roles
    if not allowed & {EDITOR, ARCHITECT}:
        raise InputError(
            f"no model may be asked: {fired[0].says}",
            hint="Configure [roles.editor] with a model of this machine.",
            code="local_only",
        )
    fired = [Fired(fired[0].rule, None, fired[0].says)]
    for one in (EDITOR, ARCHITECT):
        if allowed & {EDITOR, ARCHITECT} == {one}:
            rest = fired[0].says if terms.roles >= {EDITOR, ARCHITECT} else f"there is only the {one}"
            fired[0] = Fired(fired[0].rule, one, rest)
            return Ruling(one, allowed, tuple(fired))
    named = files_named(task(prompt))
    if files and len(named) >= files:
        fired.append(Fired("files", ARCHITECT, f"{len(named)} files named, from {files} on it is planned"))
        return Ruling(ARCHITECT, allowed, tuple(fired))
    fired.append(Fired("files", None, f"{len(named)} files named" + (f", fewer than {files}" if files else "")))
    return Ruling(None, allowed, tuple(fired))


def _confined(prompt: Prompt, terms: Terms, private: Private) -> Fired:
    """Whether the request must stay here; *role* is then the Editor, for the moment."""
    if terms.local_only:
        return Fired("local_only", EDITOR, "local_only")
    whole = [turn.raw.decode("utf-8", "replace") for turn in prompt.turns]  # what was called with tools, too
    for text in (*(turn.text for turn in prompt.turns), *whole, *prompt.texts):
        if found := private(text):
            return Fired("private", EDITOR, f"private: {found}")
    return Fired("private", None, "nothing private")


def task(prompt: Prompt) -> str:
    """What is judged: the last thing that the user said, with the one before it where it is no task of its own."""
    if prompt.kind != "chat":
        return "\n".join(prompt.texts)
    said = [turn.text for turn in prompt.turns if turn.role == "user"]
    if not said:
        return prompt.turns[-1].text if prompt.turns else ""
    if len(said) > 1 and len(said[-1].split()) <= BARE:
        return f"{said[-2]}\n{said[-1]}"
    return said[-1]
