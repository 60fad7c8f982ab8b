"""Why an edit is not applied."""

from typing import Literal

from msgspec import Struct

from aidx.errors import CheckError

Reason = Literal["not_found", "ambiguous", "conflict", "not_allowed", "outside_root", "syntax", "binary", "encoding"]


class Refused(Struct, frozen=True):
    """Block *block* of an answer (from 1) is not applied to *path*; *detail* is a sentence that a model can act on."""

    path: str
    block: int
    reason: Reason
    detail: str


class EditRefusedError(CheckError):
    """A change that is not made; *reason* says why."""

    code = "edit_refused"

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail, hint="Nothing was changed.")
        self.reason: Reason = reason
        self.detail = detail
