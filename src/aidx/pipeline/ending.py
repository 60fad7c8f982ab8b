"""How a run ends when it does not end well; each is an error that says what to do."""

from aidx.errors import BudgetError, CheckError, InputError


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


class ChecksFailedError(CheckError):
    """The checks said no, and the repair, where one was possible, did not help."""

    code = "checks_failed"
