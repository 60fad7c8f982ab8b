"""The user's state folder for aidx: what was measured and proved here; losing it costs the measurements."""

import os
import sys
from pathlib import Path

VARIABLE = "AIDX_STATE_DIR"
CALIBRATION = "calibration.json"


def state_dir() -> Path | None:
    """``AIDX_STATE_DIR``, else where this system keeps state; ``None`` where there is no home. Not made yet."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) / "aidx" / "State" if local else None
    home = os.environ.get("HOME")
    if sys.platform == "darwin":
        return Path(home) / "Library" / "Application Support" / "aidx" / "state" if home else None
    if shared := os.environ.get("XDG_STATE_HOME"):
        return Path(shared) / "aidx"
    return Path(home) / ".local" / "state" / "aidx" if home else None


def has_calibrations() -> bool:
    """Whether there is a file of what was measured, as far as can be seen."""
    folder = state_dir()
    return folder is not None and os.path.lexists(folder / CALIBRATION)
