"""How a run ends when it does not end well; each is an error that says what to do."""

import re
from collections.abc import Iterable

from aidx.errors import AidxError, BudgetError, CheckError, InputError

_MARK = re.compile(r"(?:[-*•]\s+|\(?\d{1,2}[.):]\s+)+")
UNCOUNTED = (
    "nobody counts a prompt for it before it is sent: each byte is taken for a token, so that none can be over the gate"
)
MISTRUSTED = "it has counted too low before: each byte is taken for a token, so that none can be over the gate"
EDIT = "Change the run's plan.md, and go on with --resume."


def countable(role: str) -> str:
    """The way out where a bound is over the gate of *role*: a larger gate, or somebody who counts."""
    return (
        f"Nobody counts for this service: raise gate in [roles.{role}], or name there what runs behind its url (engine "
        '"llama-server", "vllm" and "aidx" count exactly, "ollama" by the model\'s file).'
    )


def _unmarked(text: str) -> str:
    found = _MARK.match(text.strip())
    return text.strip()[found.end() :] if found else text.strip()


def numbered(texts: Iterable[str]) -> str:
    """*texts* in one line, each with our number in place of its own."""
    return " ".join(f"{number}. {_unmarked(text)}" for number, text in enumerate(texts, 1))


class BlockedError(CheckError):
    """A run that goes no further until somebody answers: questions of the Architect, objections, a person's no."""

    code = "blocked"


class NotConfirmedError(InputError):
    """Nobody could be asked, and ``--yes`` was not given."""

    code = "not_confirmed"


class LintError(InputError):
    """A plan that does not fit this tree."""

    code = "invalid_plan"


class TooLongError(BudgetError):
    """A context over its gate."""

    code = "context_length_exceeded"


class NothingChangedError(CheckError):
    """Edits that make nothing of the tree that it is not already."""

    code = "edit_refused"

    def __init__(self) -> None:
        super().__init__(
            "no step changed anything: the tree is as it was",
            hint=f"Where it is as the plan wants it, nothing is left to do. {EDIT}",
        )


class PlannedFilesGoneError(CheckError):
    """A check that put something else in the place of the plan's files, or deleted them: no model can mend that."""

    code = "checks_failed"

    def __init__(self, check: str, wrong: tuple[str, ...], aside: str) -> None:
        super().__init__(
            f"check {check} did away with files of the plan: {'; '.join(wrong)}; the tree is as before",
            hint=f"What it put there, if anything, is in {aside}. Mend the check, and go on with --resume.",
        )


class NotPutBackError(CheckError):
    """Edits on trial that could not be taken back: *paths* are those of the files."""

    code = "not_put_back"

    def __init__(self, paths: tuple[str, ...], why: AidxError) -> None:
        said = str(why).removesuffix("; nothing was changed")
        super().__init__(
            f"not put back, as on trial still: {', '.join(paths)}: {said}",
            hint="See to it that these files can be written; every byte is then put back with --resume.",
        )


class ChecksFailedError(CheckError):
    """The checks said no, and the repair, where one was possible, did not help."""

    code = "checks_failed"
