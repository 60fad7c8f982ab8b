"""The plan of a run as a file that a person may edit: what the run wrote, what stands there now, what was tried."""

import hashlib

from aidx.errors import InputError
from aidx.pipeline.artifact.parse import parse
from aidx.pipeline.artifact.plan import render
from aidx.pipeline.effects import Recalled
from aidx.ports.workspace import Records, RefusedPathError

PLAN, WRITTEN, TRIED = "plan.md", "plan.sha256", "tried.md"


class PlanFile:
    """``plan.md`` of the run that *records* keep; without records (a dry run) there is none."""

    def __init__(self, records: Records | None) -> None:
        self._records = records

    @property
    def path(self) -> str:
        """Where it lies, below the root."""
        return "" if self._records is None else f".aidx/runs/{self._records.name}/{PLAN}"

    def recall(self, *, applied: bool) -> Recalled:
        """What a person made of it, if anything, and the plan that was tried where its edits are *applied*."""
        found, tried = self._read(PLAN), self._read(TRIED)
        edited = found if found is not None and self._read(WRITTEN) not in {None, _digest(found)} else None
        return Recalled(
            None if edited is None else self._text(edited),
            self.path,
            None if tried is None or not applied else self._text(tried),
        )

    def save(self, text: str) -> None:
        """Write *text*, the run's own; whatever else stands there later was written by a person."""
        data = text.encode()
        if self._records is not None and self._read(PLAN) != data:
            self._records.write(WRITTEN, _digest(data))
            self._records.write(PLAN, data)

    def try_(self, text: str) -> None:
        """Edits that carry out *text* go into the tree."""
        if self._records is not None and self._read(TRIED) != text.encode():
            self._records.write(TRIED, text.encode())

    def check_as_tried(self) -> None:
        """Raise ``InputError`` where it was edited after a run that is done had tried it."""
        found, tried = self._read(PLAN), self._read(TRIED)
        assert self._records is not None
        if found is not None and tried is not None and not self._same(found, self._text(tried)):
            raise InputError(
                f"run {self._records.name} is done, and its plan was edited since: nothing is carried out twice",
                hint=f"A new run carries it out: aidx run --plan {self.path}",
            )

    def _same(self, found: bytes, tried: str) -> bool:
        try:
            return render(parse(self._text(found))) == tried
        except InputError:
            return False

    def _read(self, name: str) -> bytes | None:
        try:
            return None if self._records is None else self._records.read(name)
        except RefusedPathError as refused:
            raise InputError(refused.detail, hint="Put a plain file there, or delete what is there.") from None

    def _text(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: byte {error.start} is not UTF-8", hint="Save it as UTF-8 text.") from None


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
