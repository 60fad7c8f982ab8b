"""What was measured on this machine, in the user's state folder: calibrations by key, proofs by plan hash."""

import re
from pathlib import Path

import msgspec

from aidx.adapters import cachedir
from aidx.adapters.statedir import CALIBRATION, state_dir
from aidx.errors import EngineError
from aidx.plan.calibration import Calibration
from aidx.plan.proven import Proven

PROOFS = "proofs"
MOST_BYTES = 4 << 20
MOST = 200
_HASH = re.compile(r"[0-9a-f]{16}")


class _Table(msgspec.Struct):
    version: int
    calibrations: dict[str, Calibration]


def calibrations() -> dict[str, Calibration]:
    """All that was measured, by key; none where nothing was, or where the file is damaged."""
    folder = state_dir()
    data = None if folder is None else cachedir.read(folder / CALIBRATION, MOST_BYTES)
    if data is None:
        return {}
    try:
        table = msgspec.json.decode(data, type=_Table)
    except (msgspec.MsgspecError, ValueError):
        return {}
    if table.version != 1:
        return {}
    return {key: found for key, found in table.calibrations.items() if found.process > 0 and found.n_ctx > 0}


def calibrate(key: str, found: Calibration) -> bool:
    """Remember *found*; false where nothing can be written. Of two at the same time, the later table stands."""
    folder = state_dir()
    if folder is None:
        return False
    known = {name: old for name, old in calibrations().items() if name != key} | {key: found}
    newest = dict(list(known.items())[-MOST:])
    return cachedir.keep(folder / CALIBRATION, msgspec.json.encode(_Table(1, newest)))


def clear() -> int:
    """Forget all calibrations; how many there were. Raises ``EngineError`` where the file cannot be removed."""
    folder, known = state_dir(), len(calibrations())
    if folder is not None:
        try:
            (folder / CALIBRATION).unlink(missing_ok=True)
        except OSError as error:
            raise EngineError(f"cannot remove {folder / CALIBRATION}: {error.strerror}") from None
    return known


def keep_proof(plan_hash: str, proof: Proven) -> bool:
    """Remember *proof* of the plan; false where nothing can be written."""
    path = _path(plan_hash)
    return path is not None and cachedir.keep(path, msgspec.json.encode(proof))


def proof(plan_hash: str) -> Proven | None:
    """The last proof of the plan; ``None`` where there is none, or a damaged one."""
    path = _path(plan_hash)
    data = None if path is None else cachedir.read(path, MOST_BYTES)
    try:
        return None if data is None else msgspec.json.decode(data, type=Proven)
    except (msgspec.MsgspecError, ValueError):
        return None


def proofs() -> int:
    """How many plans have one."""
    folder = state_dir()
    return 0 if folder is None else sum(1 for _ in (folder / PROOFS).glob("*.json"))


def _path(plan_hash: str) -> Path | None:
    folder = state_dir()
    if folder is None or not _HASH.fullmatch(plan_hash):
        return None
    return folder / PROOFS / f"{plan_hash}.json"
