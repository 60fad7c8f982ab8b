"""What was measured on this machine, in the user's state folder.

Calibrations by key, proofs by plan hash, answers that a grammar shaped by model.
"""

import os
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from aidx.adapters import cachedir
from aidx.adapters.statedir import CALIBRATION, state_dir
from aidx.errors import EngineError
from aidx.plan.calibration import Calibration
from aidx.plan.enforced import Enforced
from aidx.plan.proven import Proven

PROOFS, ENFORCED = "proofs", "enforced"
MOST_BYTES = 4 << 20
MOST = 200
_Kept = TypeVar("_Kept", bound=msgspec.Struct)
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
    return _keep(_path(PROOFS, plan_hash), proof)


def proof(plan_hash: str) -> Proven | None:
    """The last proof of the plan; ``None`` where there is none, or a damaged one."""
    return _read(_path(PROOFS, plan_hash), Proven)


def keep_enforced(key: str, found: Enforced) -> bool:
    """Remember an answer that a grammar shaped, of the model that *key* names; false where nothing can be written."""
    return _keep(_path(ENFORCED, key), found)


def enforced(key: str) -> Enforced | None:
    """The last answer of the model that *key* names; ``None`` where there is none, or a damaged one."""
    return _read(_path(ENFORCED, key), Enforced)


def proofs() -> int:
    """How many plans have one."""
    folder = state_dir()
    return 0 if folder is None else sum(name.endswith(".json") for name in _names(folder / PROOFS))


def _names(folder: Path) -> list[str]:
    """What *folder* holds; nothing where it is missing or may not be entered."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - pathlib gives paths
    except OSError:
        return []


def _path(kind: str, named: str) -> Path | None:
    folder = state_dir()
    return folder / kind / f"{named}.json" if folder is not None and _HASH.fullmatch(named) else None


def _keep(path: Path | None, value: msgspec.Struct) -> bool:
    return path is not None and cachedir.keep(path, msgspec.json.encode(value))


def _read(path: Path | None, kind: type[_Kept]) -> _Kept | None:
    data = None if path is None else cachedir.read(path, MOST_BYTES)
    try:
        return None if data is None else msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError):
        return None
