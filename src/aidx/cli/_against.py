"""``aidx loss A --against B``: a second file on the same text, and whether the two are told apart."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aidx.budget.divergence import Scored
    from aidx.model.spec import ModelSpec


def against_json(
    model: "ModelSpec", mine: "Sequence[Scored]", other: "ModelSpec", theirs: "Sequence[Scored]"
) -> dict[str, Any]:
    """How much more *other* loses than *model*, token by token over the same text; the interval is of the difference.

    Paired differences scatter far less than the two means: what makes a token hard is hard for both.
    """
    from aidx.budget.divergence import more_loss, summarise
    from aidx.wiring import loss as wiring

    low, high = more_loss(mine, theirs, wiring.chance())
    summary = summarise(theirs, wiring.chance())
    return {
        "model": other.name,
        "quantization": other.quantization,
        "kld_mean": summary.kld_mean,
        "kld_ci95": list(summary.kld_ci95),
        "more": summary.kld_mean - sum(each.kld for each in mine) / len(mine),
        "more_ci95": [low, high],
        "told_apart": not low <= 0.0 <= high,
        "identical": list(mine) == list(theirs),
        "same_weights": wiring.same_weights(model, other),
    }
