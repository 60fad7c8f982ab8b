"""The model card: `python card.py DIR`, from the figures that the other programs left there.

Exits with 1 when the result is outside the range that the card states.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tasks import TEMPLATES, TRAINED, UNTRAINED

MASTERED, KINDS_MASTERED = 0.90, 4
PERPLEXITY = 20.0
WHAT = {
    "insert": "insert a first statement",
    "docstring": "add a docstring",
    "returns": "annotate the return type",
    "add_parameter": "add a parameter with a default",
    "rename_function": "rename the function (header only)",
    "annotate": "annotate a parameter",
    "default": "change a default value",
    "async": "make the function async",
    "delete_first": "delete the first statement",
    "constant": "change a number in the body",
    "rename_parameter": "rename a parameter everywhere",
}
Json = dict[str, Any]


def row(kind: str, counts: list[int]) -> str:
    """One row of the table."""
    right, total = counts
    trained = "yes" if kind in TRAINED else "**no**"
    return f"| `{kind}`: {WHAT[kind]} | {trained} | {right} of {total} | {right / total:.0%} |"


def share(counts: list[int]) -> str:
    """Say how many of how many."""
    return f"{counts[0]} of {counts[1]} ({counts[0] / counts[1]:.0%})"


def mastered(right: dict[str, list[int]]) -> list[str]:
    """The trained kinds that are exact often enough."""
    return [kind for kind in TRAINED if right[kind][0] >= MASTERED * right[kind][1]]


def card(training: Json, result: Json, size: int) -> str:
    """Write the card."""
    right = result["right"]
    values = {
        **training,
        **{name: f"{training[name]:,}" for name in ("parameters", "tokens", "code_tokens", "samples")},
        "held_out_tokens": f"{training['held_out']['tokens']:,}",
        "size": f"{size / 1e6:.1f}",
        "minutes": round(training["seconds"] / 60),
        "packages": ", ".join(f"{name} {number}" for name, number in training["versions"].items()),
        "table": "\n".join(row(kind, right[kind]) for kind in TEMPLATES),
        "sum": share([sum(right[kind][place] for kind in TRAINED) for place in (0, 1)]),
        "untrained": share([sum(right[kind][place] for kind in UNTRAINED) for place in (0, 1)]),
        "mastered": len(mastered(right)),
        "per_kind": right["insert"][1],
        "short": share(result["by_first_line"]["short"]),
        "long": share(result["by_first_line"]["long"]),
        "valid": share(result["wrong_but_valid"]),
        "same": share(result["same_tokens"]),
        "speed": round(result["tokens_per_second"]),
        "prompt_speed": round(result["prompt_tokens_per_second"]),
        "task_seconds": result["seconds_per_task"],
        "malformed": result["malformed"],
        "most_perplexity": PERPLEXITY,
        "kinds_mastered": KINDS_MASTERED,
    }
    return Path(__file__).with_name("card.md").read_text().format(**values)


def main() -> None:
    """Write DIR/aidx-tiny.md and judge the result."""
    out = Path(sys.argv[1])
    training = json.loads((out / "training.json").read_text())
    result = json.loads((out / "evaluation.json").read_text())
    size = (out / "aidx-tiny.gguf").stat().st_size
    (out / "aidx-tiny.md").write_text(card(training, result, size))
    good = len(mastered(result["right"])) >= KINDS_MASTERED and training["held_out"]["perplexity"] <= PERPLEXITY
    print("within the stated range" if good else "outside the stated range")
    sys.exit(not good)


if __name__ == "__main__":
    main()
