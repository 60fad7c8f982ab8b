"""``router.json``: a trained classifier as text, and back."""

from math import isfinite
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from aidx.errors import InputError
from aidx.patterns.router.features import PLACES
from aidx.patterns.router.model import Calibration, Gatekept, Measured, Router

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


class _Gatekeeper(Struct, forbid_unknown_fields=True):
    model: str
    threshold: Share
    calibration: _Calibration
    measured: _Measured


class _File(Struct, forbid_unknown_fields=True):
    schema: Literal["aidx.router/1"]
    features: int
    about: str
    threshold: Share
    calibration: _Calibration
    measured: _Measured | None
    gatekeeper: _Gatekeeper | None
    seen: list[Annotated[int, Meta(ge=0, lt=1 << 32)]]
    bias: Weight
    weights: dict[Annotated[int, Meta(ge=0, lt=PLACES)], Weight]


def dumps(router: Router) -> str:
    """*router* as JSON; the same one gives the same text."""
    kept = router.gatekeeper
    weights = {place: weight for place, weight in enumerate(router.weights) if weight}
    file = _File(
        schema="aidx.router/1",
        features=FEATURES,
        about=router.about,
        threshold=router.threshold,
        calibration=_calibration(router.calibration),
        measured=None if router.measured is None else _figures(router.measured),
        gatekeeper=None
        if kept is None
        else _Gatekeeper(kept.model, kept.threshold, _calibration(kept.calibration), _figures(kept.measured)),
        seen=sorted(router.seen),
        bias=router.bias,
        weights=weights,
    )
    raw = msgspec.json.format(msgspec.json.encode(file), indent=1).decode()
    head, _, tail = raw.partition('"seen": [')
    return f'{head}"seen": [{" ".join(tail.split())}\n'


def _calibration(one: Calibration) -> _Calibration:
    return _Calibration(round(one.slope, 6), round(one.offset, 6))


def _figures(one: Measured) -> _Measured:
    return _Measured(
        one.prompts,
        round(one.auc, 4),
        (round(one.auc_low, 4), round(one.auc_high, 4)),
        round(one.auc_prompt_length, 4),
        round(one.brier, 4),
        round(one.ece, 4),
        round(one.missed_complex_rate, 4),
        round(one.escalation_rate, 4),
    )


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
    kept = file.gatekeeper
    for one in (file.calibration, *(() if kept is None else (kept.calibration,))):
        if not (isfinite(one.slope) and isfinite(one.offset)):
            raise InputError(f"{name} is no router: its calibration is not finite", hint=hint)
    weights = [0] * PLACES
    for place, weight in file.weights.items():
        weights[place] = weight
    return Router(
        tuple(weights),
        file.bias,
        Calibration(file.calibration.slope, file.calibration.offset),
        file.threshold,
        file.about,
        None if file.measured is None else _measured(file.measured),
        None if kept is None else _gatekept(kept),
        frozenset(file.seen),
    )


def _gatekept(one: _Gatekeeper) -> Gatekept:
    calibration = Calibration(one.calibration.slope, one.calibration.offset)
    return Gatekept(one.model, calibration, one.threshold, _measured(one.measured))


def _measured(one: _Measured) -> Measured:
    return Measured(
        one.prompts,
        one.auc,
        *one.auc_ci95,
        one.auc_prompt_length,
        one.brier,
        one.ece,
        one.missed_complex_rate,
        one.escalation_rate,
    )
