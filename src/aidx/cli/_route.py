"""What ``aidx route`` prints: values to lines and to JSON objects."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aidx.advise.router import Explained, Judged
    from aidx.patterns.router.model import Gatekept, Measured, Router
    from aidx.wiring.routing import Deciding

SCHEMA = "aidx.route/1"
TRAINED = "aidx.route-train/1"
EXPLAINED = "aidx.route-explain/1"


def as_contract(judged: "Judged") -> dict[str, object]:
    """The object of ``aidx route eval --json``; rates and areas to six digits."""
    found: dict[str, object] = {
        "schema": SCHEMA,
        "prompts": judged.prompts,
        "auc": _six(judged.auc.auc),
        "auc_ci95": [_six(judged.auc.low), _six(judged.auc.high)],
        "auc_prompt_length": _six(judged.auc_prompt_length.auc),
        "threshold": judged.at.threshold,
        "accuracy": _six(judged.at.accuracy),
        "escalation_rate": _six(judged.at.escalation_rate),
        "missed_complex_rate": _six(judged.at.missed_complex_rate),
        "curve": [
            [point.threshold, _six(point.escalation_rate), _six(point.missed_complex_rate)] for point in judged.curve
        ],
        "brier": _six(judged.brier),
        "ece": _six(judged.ece),
        "seen_prompts": judged.seen,
    }
    if judged.cost is not None:
        cost = judged.cost
        found["cost"] = {
            "routed": _six(cost.routed),
            "architect": _six(cost.architect),
            "editor": _six(cost.editor),
            "assumed_prompts": judged.assumed,
        }
    return found


def eval_lines(judged: "Judged", origin: str, threshold_from: str, file: str) -> list[str]:
    """What ``aidx route eval`` prints for a person."""
    at, length = judged.at, judged.auc_prompt_length
    simple = judged.prompts - judged.of_complex
    lines = [
        f"{judged.prompts} prompts of {file} ({simple} simple, {judged.of_complex} complex); router: {origin}",
        f"AUC            {judged.auc.auc:.3f}  (95 %: {judged.auc.low:.3f} to {judged.auc.high:.3f})",
        f"prompt length  {length.auc:.3f}  (95 %: {length.low:.3f} to {length.high:.3f}), the baseline",
        f"calibration    Brier score {judged.brier:.3f}, expected error {judged.ece:.3f}",
        (
            f"threshold      {at.threshold:g}, {threshold_from}: {at.escalation_rate:.1%} escalate, "
            f"{at.missed_complex_rate:.1%} of the complex are missed, accuracy {at.accuracy:.1%}"
        ),
        "",
        "threshold  escalated  missed complex  accuracy",
    ]
    lines += [
        f"{point.threshold:>9.2f}  {point.escalation_rate:>9.1%}  {point.missed_complex_rate:>14.1%}  "
        f"{point.accuracy:>8.1%}"
        for point in judged.curve[1:-1]
    ]
    return lines + _cost_lines(judged)


def _cost_lines(judged: "Judged") -> list[str]:
    cost = judged.cost
    if cost is None:
        return []
    lines = [
        "",
        (
            f"cost           {cost.routed:.4f} routed, {cost.architect:.4f} if all went to the Architect: "
            f"{cost.saved:.0%} saved"
        ),
    ]
    if judged.assumed:
        lines.append(
            f"               tokens of {judged.assumed} prompts are assumed: 4 bytes a token, answers as given"
        )
    return lines


def trained_contract(router: "Router", path: str) -> dict[str, object]:
    """The object of ``aidx route train --json``."""
    one = router.measured
    assert one is not None
    return {
        "schema": TRAINED,
        "router": path,
        "prompts": one.prompts,
        "auc": _six(one.auc),
        "auc_ci95": [_six(one.auc_low), _six(one.auc_high)],
        "auc_prompt_length": _six(one.auc_prompt_length),
        "brier": _six(one.brier),
        "ece": _six(one.ece),
        "threshold": router.threshold,
        "escalation_rate": _six(one.escalation_rate),
        "missed_complex_rate": _six(one.missed_complex_rate),
        **({} if router.gatekeeper is None else {"gatekeeper": _kept(router.gatekeeper)}),
    }


def _kept(kept: "Gatekept") -> dict[str, object]:
    one = kept.measured
    return {
        "model": kept.model,
        "prompts": one.prompts,
        "auc": _six(one.auc),
        "auc_ci95": [_six(one.auc_low), _six(one.auc_high)],
        "brier": _six(one.brier),
        "ece": _six(one.ece),
        "threshold": kept.threshold,
        "escalation_rate": _six(one.escalation_rate),
        "missed_complex_rate": _six(one.missed_complex_rate),
    }


def trained_lines(router: "Router", path: str) -> list[str]:
    """What ``aidx route train`` prints for a person."""
    assert router.measured is not None
    lines = [
        f"{path}: trained on {router.about}",
        "on prompts that each of five fits had not seen:",
        *_figures(router.measured, router.threshold),
    ]
    if (kept := router.gatekeeper) is not None:
        lines += ["", f"gatekeeper {kept.model}, its verdicts on {kept.measured.prompts} of them, calibrated likewise:"]
        lines += _figures(kept.measured, kept.threshold)
    return lines


def _figures(one: "Measured", threshold: float) -> list[str]:
    area = f"{one.auc:.3f}  (95 %: {one.auc_low:.3f} to {one.auc_high:.3f}), prompt length {one.auc_prompt_length:.3f}"
    at = f"{threshold:g}: {one.escalation_rate:.1%} escalate, {one.missed_complex_rate:.1%} of the complex are missed"
    return [
        f"AUC            {area}",
        f"calibration    Brier score {one.brier:.3f}, expected error {one.ece:.3f}",
        f"threshold      {at}",
    ]


def explain_contract(told: "Explained", found: "Deciding", top: int) -> dict[str, object]:
    """The object of ``aidx route explain --json``; the score is before calibration."""
    choice = told.choice
    return {
        "schema": EXPLAINED,
        "role": choice.role,
        "why": choice.why,
        "instead": choice.instead,
        "rules": [{"rule": one.rule, "role": one.role, "says": one.says} for one in choice.rules],
        "judge": choice.judge,
        "score": None if choice.score is None else _six(choice.score),
        "probability": None if choice.probability is None else _six(choice.probability),
        "threshold": choice.threshold,
        "router": found.origin,
        "reasons": [
            {"feature": one.name, "value": _six(one.value), "adds": _six(one.adds)} for one in told.reasons[:top]
        ],
    }


def explain_lines(told: "Explained", found: "Deciding", assumed: bool, top: int) -> list[str]:
    """What ``aidx route explain`` prints for a person."""
    choice = told.choice
    lines = [choice.why, "", "rules:"]
    lines += [f"  {one.rule:<12}{one.says}{_decides(one.role)}" for one in choice.rules]
    if choice.instead:
        lines.append(f"  size        the gate counts: a role that is too small refuses, then {choice.instead} is asked")
        lines.append("  tools       the same, where its chat template takes none")
    if assumed:
        lines.append("  no aidx.toml names roles: an Editor here and an Architect elsewhere are assumed")
    if choice.probability is None or choice.score is None:
        return lines
    if told.not_asked:
        lines.append("a gatekeeper is configured: it judges when a request is answered, here the classifier does")
    lines += [
        "",
        f"classifier: {found.origin}",
        (
            f"  score {choice.score:+.3f}, probability of complex {choice.probability:.3f}, "
            f"threshold {choice.threshold:g} ({found.threshold_from})"
        ),
    ]
    return lines + [f"  {one.adds:+.3f}  {one.name}" for one in told.reasons[:top]]


def _decides(role: str | None) -> str:
    return "" if role is None else f" -> {role}"


def _six(value: float) -> float:
    return round(value, 6)
