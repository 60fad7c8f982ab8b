"""Every error a user can meet, in one tree.

AidxError                  exit 1   an internal error: a bug of ours
├── InputError             exit 2   the request is wrong: fix the command or the config
│   └── HeaderError        exit 2   a model file's header breaks the format; says where
├── BudgetError            exit 3   the arithmetic says no: it does not fit
├── EngineError            exit 4   an engine, a cloud API, a driver or a known file is missing or failed
└── CheckError             exit 5   a check said no: a measured number broke a promised one
"""


class AidxError(Exception):
    """*hint* is one imperative sentence that tells the user what to do next."""

    exit_code = 1
    code = "internal_error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if code is not None:
            self.code = code


class InputError(AidxError):
    """The command, the config or a file it names is wrong."""

    exit_code = 2
    code = "invalid_input"


class HeaderError(InputError):
    """A GGUF header that breaks the format or one of our caps.

    *offset* is the byte at which the offending *field* starts.
    """

    code = "invalid_header"

    def __init__(self, message: str, *, offset: int, field: str, hint: str = "") -> None:
        super().__init__(f"{message} ({field} at byte {offset})", hint=hint)
        self.offset = offset
        self.field = field


class BudgetError(AidxError):
    """The bytes or tokens asked for exceed the ledger."""

    exit_code = 3
    code = "budget_exceeded"


class EngineError(AidxError):
    """An engine, a driver or a service is missing or failed."""

    exit_code = 4
    code = "engine_failed"


class CheckError(AidxError):
    """A check that was asked for said no."""

    exit_code = 5
    code = "check_failed"
