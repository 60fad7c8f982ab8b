"""``router.json``: a trained classifier as text, and back."""

from math import isfinite
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from aidx.errors import InputError
from aidx.patterns.router.features import PLACES
from aidx.patterns.router.model import Calibration, Measured, Router

LARGEST = 1 << 20  # bytes of such a file
FEATURES = 1  # changes whenever a prompt has other features: weights of another one mean nothing
_MOST = 1 << 24  # of a weight, in its unit: 4096.0
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[int, Meta(ge=-_MOST, le=_MOST)]


class _Calibration(Struct, forbid_unknown_fields=True):
    slope: float
    offset: float


class _Measured(Struct, forbid_unknown_fields=True):
    prompts: Annotated[int, Meta(ge=1)]
    auc: Share
    auc_ci95: tuple[Share, Share]
    auc_prompt_length: Share
    brier: Share
    ece: Share
    missed_complex_rate: Share
    escalation_rate: Share


class _File(Struct, forbid_unknown_fields=True):
    schema: Literal["aidx.router/1"]
    features: int
    about: str
    threshold: Share
    calibration: _Calibration
    measured: _Measured | None
    bias: Weight
    weights: dict[Annotated[int, Meta(ge=0, lt=PLACES)], Weight]


def dumps(router: Router) -> str:
    """*router* as JSON; the same one gives the same text."""
    one = router.measured
    measured = (
        None
        if one is None
        else _Measured(
            one.prompts,
            _short(one.auc),
            (_short(one.auc_low), _short(one.auc_high)),
            _short(one.auc_prompt_length),
            _short(one.brier),
            _short(one.ece),
            _short(one.missed_complex_rate),
            _short(one.escalation_rate),
        )
    )
    calibration = _Calibration(round(router.calibration.slope, 6), round(router.calibration.offset, 6))
    weights = {place: weight for place, weight in enumerate(router.weights) if weight}
    file = _File("aidx.router/1", FEATURES, router.about, router.threshold, calibration, measured, router.bias, weights)
    raw = msgspec.json.format(msgspec.json.encode(file), indent=1).decode()
    head, _, tail = raw.partition('"weights": {')
    return f'{head}"weights": {{{" ".join(tail.split())}\n'.replace("} }\n", "}\n}\n")


def _short(share: float) -> float:
    return round(share, 4)


def loads(data: bytes, name: str) -> Router:
    """The router in *data*, the bytes of the file called *name*; ``InputError`` says what is wrong with it."""
    hint = "Train it again with aidx route train FILE, or delete it: then the shipped router decides."
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.ValidationError as wrong:
        raise InputError(f"{name} is no router: {str(wrong).replace('`', '')}", hint=hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(f"{name} is no router: it is not JSON", hint=hint) from None
    if file.features != FEATURES:
        raise InputError(f"{name} was trained for features {file.features}, and these are {FEATURES}", hint=hint)
    if not (isfinite(file.calibration.slope) and isfinite(file.calibration.offset)):
        raise InputError(f"{name} is no router: its calibration is not finite", hint=hint)
    weights = [0] * PLACES
    for place, weight in file.weights.items():
        weights[place] = weight
    one = file.measured
    measured = (
        None
        if one is None
        else Measured(
            one.prompts,
            one.auc,
            *one.auc_ci95,
            one.auc_prompt_length,
            one.brier,
            one.ece,
            one.missed_complex_rate,
            one.escalation_rate,
        )
    )
    calibration = Calibration(file.calibration.slope, file.calibration.offset)
    return Router(tuple(weights), file.bias, calibration, file.threshold, file.about, measured)
